import { relative } from 'node:path'
import { currentContext } from '../app/context.ts'
import type { ReadyNote } from '../app/ephemeral-worker.ts'
import { version } from '../core/version.ts'
import { maskUrl } from '../core/url.ts'
import type { Tq } from '../index.ts'
import type { LoadedApp } from '../run/loader.ts'
import type { Worker } from '../worker/worker.ts'
import { exitCodes } from './exit-codes.ts'
import type { WorkerFlags } from './main.ts'
import { openLoaded } from './open-app.ts'
import { type Output, printable, table } from './output.ts'

const ephemeralIdleSeconds = 60

/** `tq worker`: starts one, and ends it on SIGTERM or SIGINT (warm; the second SIGINT hurries) and SIGQUIT (at once). */
export async function runWorker(flags: WorkerFlags, output: Output): Promise<void> {
  const loaded = await openLoaded(flags)
  const app = loaded.app as Tq // the loader gives what the project made with this package's Tq
  guardProcess(app)
  const { timeLimit: taskTimeLimit, softTimeLimit: taskSoftTimeLimit } = flags
  app.configure({ ...(taskTimeLimit && { taskTimeLimit }), ...(taskSoftTimeLimit && { taskSoftTimeLimit }) })
  const worker = await startOrExplain(app, flags)
  const stop = (deadlineMs: number): void => void worker.stop(deadlineMs)
  const now = (): number => app.clock.monotonic()
  process.on('SIGTERM', () => stop(Infinity))
  process.on('SIGQUIT', () => stop(now()))
  // Between two turns of the loop no transaction is open: stopped here, it keeps nobody else from the file.
  process.on('SIGTSTP', () => process.kill(process.pid, 'SIGSTOP'))
  let interrupts = 0
  process.on('SIGINT', () => {
    interrupts++
    if (interrupts === 1) output.note(`\n${worker.hostname}: finishing what runs; once more to stop at once.`)
    stop(interrupts === 1 ? Infinity : now())
  })
  // Last: who reads it may send a signal at once.
  output.note(printable(banner(loaded, worker)))
  if (flags.ephemeral) {
    process.on('disconnect', () => stop(Infinity))
    const note: ReadyNote = { ready: worker.hostname }
    process.send?.(note)
  }
  await worker.finished
  await app.close()
  if (process.connected) process.disconnect()
  // A task that was given up, or a timer of the user's own, would else keep a stopped worker's process for ever.
  process.exit(process.exitCode ?? (worker.lostBroker ? exitCodes.error : exitCodes.ok))
}

async function startOrExplain(app: Tq, flags: WorkerFlags): Promise<Worker> {
  try {
    return await app.startWorker({
      hostname: flags.ephemeral && flags.hostname === 'celery@%h' ? `tq-${process.pid}@%h` : flags.hostname,
      pool: flags.pool,
      concurrency: flags.concurrency,
      autoscale: flags.autoscale,
      maxTasksPerChild: flags.maxTasksPerChild,
      maxMemoryPerChild: flags.maxMemoryPerChild,
      include: flags.include,
      queues: flags.queues,
      excludeQueues: flags.excludeQueues,
      prefetchMultiplier: flags.prefetchMultiplier,
      events: flags.taskEvents === true ? true : undefined,
      idleMs: idleMsOf(flags),
    })
  } catch (error) {
    await app.close()
    throw error
  }
}

function idleMsOf({ ephemeral, idle = ephemeralIdleSeconds }: WorkerFlags): number | undefined {
  return ephemeral !== true || idle === 0 ? undefined : idle * 1000
}

/** A task must not take the whole worker with it: a rejection that nobody handles and process.exit() fail the task they come from. */
function guardProcess(app: Tq): void {
  process.on('unhandledRejection', (reason: unknown) => {
    const context = currentContext()
    if (context) context.fail(reason)
    else
      app.logger.error('A promise was rejected outside any task and nobody handled it; the worker goes on.', { reason })
  })
  const exit = process.exit.bind(process)
  process.exit = (code) => {
    if (currentContext())
      throw new Error(`process.exit(${code ?? ''}) was called inside a task; the task fails instead.`)
    return exit(code)
  }
}

function banner({ app, file, taskFiles }: LoadedApp, worker: Worker): string {
  const count = app.registry.names().length
  const rows = [
    ['  app', `${app.main} (${relative(process.cwd(), file) || file}), ${count} tasks from ${taskFiles.length} files`],
    ['  broker', app.brokerName() === 'embedded' ? app.connections.embeddedPath() : app.brokerName()],
    ['  results', maskUrl(app.connections.resultUrl())],
    ['  queues', worker.queues.join(', ')],
    ['  pool', `${worker.pool}, ${worker.concurrency} at once`],
  ]
  return `tq ${version} · ${worker.hostname} · pid ${process.pid}\n${table(rows)}`
}
