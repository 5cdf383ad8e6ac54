import { afterAll } from 'vitest'
import { leaveNothingRunning } from './running-process.ts'

// Hooks of the setup file run last, after the file's own afterAll had its chance to stop what it started.
afterAll(leaveNothingRunning, 20_000)
