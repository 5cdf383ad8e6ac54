import { relative } from 'node:path'
import { currentContext } from '../app/context.ts'
import type { ReadyNote } from '../app/ephemeral-worker.ts'
import { workerLogFormat, workerTaskLogFormat } from '../core/log-format.ts'
import { SettingError } from '../core/errors.ts'
import { type LogLevel, logLevelOf, type LogSetup } from '../core/logger.ts'
import { maskUrl } from '../core/url.ts'
import { version } from '../core/version.ts'
import type { Tq } from '../index.ts'
import { guardProcess } from '../run/guard-process.ts'
import type { LoadedApp } from '../run/loader.ts'
import { fileNameFor } from '../run/log-file.ts'
import { setUpLogging } from '../run/logging.ts'
import { Worker } from '../worker/worker.ts'
import { exitCodes } from './exit-codes.ts'
import { openLoaded } from './open-app.ts'
import { ownCommand } from './own-command.ts'
import { type Output, printable, table } from './output.ts'
import { createPidFile, removePidFile } from './pid-file.ts'
import { takePlace } from './process-place.ts'
import type { WorkerFlags } from './worker-flags.ts'
import { WorkerSignals } from './worker-signals.ts'

const ephemeralIdleSeconds = 60

/** `tq worker`: runs one until a signal, remote control or its parent ends it; the process ends with it. */
export async function runWorker(flags: WorkerFlags, output: Output): Promise<void> {
  // Node would open its inspector at this signal; what listens to it for good does not exist yet.
  process.on('SIGUSR1', () => undefined)
  if (flags.detach === true && flags.startedBy === undefined) {
    return (await import('./detached-worker.ts')).runDetached(flags, output)
  }
  const cwd = process.cwd()
  // A process that was started by one of ours is in its place already, or must not go there twice.
  if (flags.startedBy === 'detach') takePlace({ ...flags, workdir: undefined })
  else if (flags.startedBy === undefined) takePlace(flags)
  if (flags.startedBy === 'check') return checkLoading(flags)
  if (flags.watch === true && flags.startedBy !== 'watch') {
    return (await import('./watched-worker.ts')).runWatched(flags, output)
  }
  const note = (text: string): void => output.note(text)
  const loaded = await openLoaded(flags)
  const app = loaded.app as Tq // the loader gives what the project made with this package's Tq
  guardProcess(app)
  guardExit()
  const { timeLimit: taskTimeLimit, softTimeLimit: taskSoftTimeLimit } = flags
  app.configure({ ...(taskTimeLimit && { taskTimeLimit }), ...(taskSoftTimeLimit && { taskSoftTimeLimit }) })
  const worker: Worker = new Worker(app, {
    ...workerOptions(flags),
    onReady: () => output.note(printable(banner(loaded, worker, flags))),
  })
  const pidFile = nameFor(flags.pidfile, worker)
  if (pidFile !== undefined) {
    createPidFile(pidFile, note)
    process.on('exit', () => removePidFile(pidFile))
  }
  const endLogging = await setUpLogging(app, logSetup(flags, app, worker))
  const signals = new WorkerSignals({
    worker,
    logger: app.logger,
    note,
    isTerminal: process.stdout.isTTY === true || flags.ephemeral === true || flags.startedBy === 'watch',
    env: process.env,
  })
  const hasParent = flags.ephemeral === true || flags.startedBy !== undefined
  // A background worker outlives who started it, the others end with them.
  if (hasParent && flags.startedBy !== 'detach') process.on('disconnect', () => void worker.stop())
  await startOrExplain(app, worker)
  const ready: ReadyNote = { ready: worker.hostname }
  if (hasParent) process.send?.(ready)
  await worker.finished
  await app.close()
  endLogging()
  if (process.connected) process.disconnect()
  if (signals.wantsRestart) restart(cwd)
  // A task that was given up, or a timer of the user's own, would else keep a stopped worker's process for ever.
  process.exit(process.exitCode ?? (worker.lostBroker ? exitCodes.error : exitCodes.ok))
}

/** Whether all of the project can be loaded, by the exit code. */
async function checkLoading(flags: WorkerFlags): Promise<void> {
  const { app, failures } = await openLoaded(flags)
  await app.close()
  process.exit(failures.length === 0 ? exitCodes.ok : exitCodes.error) // a module may have left something open
}

/** The same command line in the same process: the pid, and with it the pid file, stays. Source: celery/apps/worker.py, _reload_current_worker. */
function restart(cwd: string): void {
  if (typeof process.execve !== 'function') return
  process.chdir(cwd)
  const { entry, args } = ownCommand()
  process.execve(process.execPath, [process.execPath, ...process.execArgv, entry, ...args], process.env)
}

async function startOrExplain(app: Tq, worker: Worker): Promise<void> {
  try {
    await worker.start()
  } catch (error) {
    // Told to stop while it was starting: that is no failure.
    if (worker.wasTold) return
    await app.close()
    throw error
  }
}

function workerOptions(flags: WorkerFlags): ConstructorParameters<typeof Worker>[1] {
  const hostname = flags.ephemeral && flags.hostname === 'celery@%h' ? `tq-${process.pid}@%h` : flags.hostname
  return {
    hostname,
    pool: flags.pool,
    concurrency: flags.concurrency,
    autoscale: flags.autoscale,
    maxTasksPerChild: flags.maxTasksPerChild,
    maxMemoryPerChild: flags.maxMemoryPerChild,
    include: flags.include,
    queues: flags.queues,
    excludeQueues: flags.excludeQueues,
    purge: flags.purge === true || flags.discard === true,
    prefetchMultiplier: flags.prefetchMultiplier,
    disablePrefetch: flags.disablePrefetch,
    events: flags.taskEvents === true || flags.events === true ? true : undefined,
    heartbeat: flags.withoutHeartbeat === true ? false : flags.heartbeatInterval,
    mingle: flags.withoutMingle !== true,
    stateDb: flags.statedb,
    idleMs: idleMsOf(flags),
  }
}

function idleMsOf({ ephemeral, idle = ephemeralIdleSeconds }: WorkerFlags): number | undefined {
  return ephemeral !== true || idle === 0 ? undefined : idle * 1000
}

function nameFor(pattern: string | undefined, { hostname }: Worker): string | undefined {
  return pattern === undefined ? undefined : fileNameFor(pattern, { hostname, index: 0 })
}

function logSetup(flags: WorkerFlags, { settings }: Tq, { hostname }: Worker): LogSetup {
  const { TERM, NO_COLOR } = process.env
  const isPlain =
    flags.color === false || settings.workerLogColor === false || TERM === 'dumb' || (NO_COLOR ?? '') !== ''
  return {
    hostname,
    level: flags.loglevel,
    file: flags.logfile,
    format: settings.workerLogFormat ?? workerLogFormat,
    taskFormat: settings.workerTaskLogFormat ?? (settings.workerLogFormat === 'json' ? 'json' : workerTaskLogFormat),
    isColoured: !isPlain && flags.logfile === undefined && process.stderr.isTTY === true,
    // What the tasks of an ephemeral worker print belongs to whoever started it.
    redirectLevel: settings.workerRedirectStdouts && flags.ephemeral !== true ? redirectLevel(settings) : undefined,
  }
}

function redirectLevel({ workerRedirectStdoutsLevel: name }: Tq['settings']): LogLevel {
  const level = logLevelOf(name)
  if (level !== undefined) return level
  throw new SettingError(`expected workerRedirectStdoutsLevel to be a level such as WARNING, got '${name}'`)
}

/** Here tasks share the worker's process: process.exit() fails the task that calls it. */
function guardExit(): void {
  const exit = process.exit.bind(process)
  process.exit = (code) => {
    const context = currentContext()
    if (!context) return exit(code)
    const error = new Error(`process.exit(${code ?? ''}) was called inside a task; the task fails instead.`)
    context.fail(error) // whatever catches what is thrown
    throw error
  }
}

function banner({ app, file, taskFiles }: LoadedApp, worker: Worker, flags: WorkerFlags): string {
  const count = app.registry.names().length
  const log = nameFor(flags.logfile, worker)
  const rows = [
    ['  app', `${app.main} (${relative(process.cwd(), file) || file}), ${count} tasks from ${taskFiles.length} files`],
    ['  broker', app.brokerName() === 'embedded' ? app.connections.embeddedPath() : app.brokerName()],
    ['  results', maskUrl(app.connections.resultUrl())],
    ['  queues', worker.queues.join(', ')],
    ...(log === undefined ? [] : [['  log', log]]),
    ['  pool', `${worker.pool}, ${worker.concurrency} at once`],
  ]
  return `tq ${version} · ${worker.hostname} · pid ${process.pid}\n${table(rows)}`
}
