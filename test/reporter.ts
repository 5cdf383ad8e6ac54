import { writeFileSync } from 'node:fs'
import type { Reporter, TestModule } from 'vitest/node'

/** What a test run came to. `failed` also counts files and suites that broke outside a test, and unhandled errors. */
export interface TestCounts {
  readonly passed: number
  readonly failed: number
  readonly skipped: number
}

/** The environment variable that tells the reporter where to write its counts, as JSON. */
export const countsFileVariable = 'TQ_TEST_COUNTS'

/** Counts the outcomes of a run for the runner; printing is left to vitest's own reporter beside it. */
export default class CountReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    const file = process.env[countsFileVariable]
    if (file === undefined) return
    writeFileSync(file, JSON.stringify(countOutcomes(modules, unhandledErrors)))
  }
}

function countOutcomes(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): TestCounts {
  const counts = { passed: 0, failed: unhandledErrors.length, skipped: 0 }
  for (const module of modules) {
    for (const suite of [module, ...module.children.allSuites()]) {
      if (suite.errors().length > 0) counts.failed += 1
    }
    for (const test of module.children.allTests()) {
      const { state } = test.result()
      // A test still pending at the end was cut off: its process crashed or the run was interrupted.
      counts[state === 'pending' ? 'failed' : state] += 1
    }
  }
  return counts
}
