import { defineConfig } from 'vitest/config'

export default defineConfig({
  resolve: { conditions: ['@tq/source'] },
  ssr: { resolve: { conditions: ['@tq/source'] } },
  test: {
    include: ['**/*.test.ts', '**/*.test.tsx'],
    testTimeout: 20_000,
    hookTimeout: 60_000,
  },
})
