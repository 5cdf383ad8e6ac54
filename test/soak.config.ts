import { defineConfig } from 'vitest/config'
import base from './vitest.config.ts'

/** `npm run soak`: what the tests promise, at full size: minutes each, one after the other. */
export default defineConfig({
  ...base,
  test: {
    ...base.test,
    include: ['**/*.soak.ts'],
    passWithNoTests: true,
    maxWorkers: 1,
    testTimeout: 30 * 60_000,
    hookTimeout: 120_000,
  },
})
