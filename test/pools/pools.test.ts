import { vi } from 'vitest'
import { describePool } from '../conformance/pool.ts'

// Children start in their own time, several of them in one test.
vi.setConfig({ testTimeout: 120_000 })

for (const name of ['async', 'solo', 'threads', 'prefork'] as const) describePool(name)
