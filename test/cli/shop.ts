import { join } from 'node:path'
import { type RunResult, type RunningProcess, runBin, spawnBin } from '../helpers/process.ts'
import { shopFolder, temporaryFolder } from '../helpers/project.ts'

/** The shop with a place of its own for what it stores. */
export interface Shop {
  /** The embedded database. */
  readonly db: string
  /** Runs `tq` in the shop's folder to its end. */
  tq(args: readonly string[], options?: { readonly input?: string; readonly timeoutMs?: number }): Promise<RunResult>
  /** Starts a worker named `w1@test` (or what `-n` says) and resolves when it consumes. */
  worker(...args: readonly string[]): Promise<RunningProcess>
  /** Starts `tq` in the shop's folder. */
  spawn(args: readonly string[]): RunningProcess
}

export function shop(env: Readonly<Record<string, string>> = {}, cwd = shopFolder): Shop {
  const db = join(temporaryFolder(), 'tq.db')
  const options = { cwd, env: { TQ_DB: db, ...env }, cleanEnv: true }
  const spawn = (args: readonly string[]): RunningProcess => spawnBin('tq', args, options)
  return {
    db,
    tq: (args, more) => runBin('tq', args, { ...options, ...more }),
    spawn,
    worker: async (...args) => {
      const started = spawn(['worker', '-n', 'w1@test', ...args])
      await started.waitForLine(/ at once$/) // the end of the banner, which comes when it consumes
      return started
    },
  }
}
