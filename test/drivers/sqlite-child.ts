import { fileURLToPath } from 'node:url'
import { type RunningProcess, spawnNode } from '../helpers/process.ts'

const program = fileURLToPath(new URL('children/sqlite-child.ts', import.meta.url))

/** Starts children/sqlite-child.ts with one of its commands. */
export function sqliteChild(
  what: 'open' | 'openUnprivileged' | 'hold' | 'lock' | 'idle',
  path: string,
): RunningProcess {
  return spawnNode([program, what, path])
}
