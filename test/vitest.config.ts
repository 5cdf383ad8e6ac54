import { defineConfig } from 'vitest/config'

// Sibling packages resolve to their source, in vitest's own resolver and in Node's.
const sourceCondition = '@tq/source'

// Most of what a process or thread of a test does is to compile the source once more: the bins keep theirs compiled, too.
process.env['NODE_COMPILE_CACHE'] ??= new URL('../node_modules/.cache/tq-tests', import.meta.url).pathname

export default defineConfig({
  resolve: { conditions: [sourceCondition] },
  ssr: { resolve: { conditions: [sourceCondition] } },
  test: {
    // examples/*/test are a user's tests of an example project: part of the same run.
    include: ['**/*.test.ts', '**/*.test.tsx'],
    exclude: ['**/node_modules/**', '**/dist/**', '**/fixtures/**', 'scan/forms/**'],
    globalSetup: [new URL('helpers/shared-rabbitmq.ts', import.meta.url).pathname],
    setupFiles: [new URL('helpers/setup.ts', import.meta.url).pathname],
    // A process per file, so that signals, exit handlers and worker threads of one file meet no other.
    pool: 'forks',
    execArgv: [`--conditions=${sourceCondition}`],
    // Two files at a time, whatever the machine: more would make the process tests wait for each other.
    maxWorkers: 2,
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // Longer than a stopping worker's own grace, shorter than patience.
    teardownTimeout: 15_000,
  },
})
