import { availableParallelism } from 'node:os'
import type { TqApp } from '../app/tq.ts'
import { SettingError, TimeLimitExceeded, WorkerLostError } from '../core/errors.ts'
import type { Failure } from '../core/outcome.ts'
import type { Settings } from '../core/settings.ts'
import { AsyncPool } from '../pools/async.ts'
import type { ChildSetup, SpawnChild } from '../pools/child.ts'
import { ChildPool, type RunEndings } from '../pools/child-pool.ts'
import type { OnUpdate, Pool } from '../pools/pool.ts'
import { spawnProcesses } from '../pools/prefork.ts'
import { spawnThreads } from '../pools/threads.ts'
import { failureOf } from '../run/failure.ts'
import { taskRunner, Terminated } from '../run/run-task.ts'

export type PoolName = Settings['workerPool']

export interface MakePoolOptions {
  readonly app: TqApp
  /** Node name of the worker. */
  readonly hostname: string
  readonly pool: PoolName
  readonly concurrency: number
  /** Modules of `-I`, for children. */
  readonly include: readonly string[]
  readonly maxTasksPerChild?: number | undefined
  readonly maxMemoryPerChild?: number | undefined
  readonly onUpdate: OnUpdate
}

const asyncConcurrency = 100

/** How many tasks a pool runs at once where nobody says. */
export function defaultConcurrency(pool: PoolName): number {
  switch (pool) {
    case 'async':
      return asyncConcurrency
    case 'solo':
      return 1
    case 'threads':
    case 'prefork':
      return availableParallelism()
  }
}

/** The pool of a worker. Throws SettingError where children could not load the app: it was made outside any file. */
export function makePool(options: MakePoolOptions): Pool {
  const { app, pool, concurrency, onUpdate } = options
  const { clock, logger } = app
  switch (pool) {
    case 'async':
    case 'solo':
      return new AsyncPool({
        name: pool,
        capacity: pool === 'solo' ? 1 : concurrency,
        runTask: taskRunner({ app, clock, isEager: false, onUpdate }),
        clock,
        terminated: (signal) => new Terminated(signal),
        expired: (seconds) => new TimeLimitExceeded(seconds),
      })
    case 'threads':
    case 'prefork': {
      const onOutput = app.workerLog?.write
      const spawnOptions = { entry: childEntry(), setup: setupOf(options), clock, onOutput }
      return new ChildPool({
        name: pool,
        capacity: concurrency,
        spawn: announced(options, pool === 'threads' ? spawnThreads(spawnOptions) : spawnProcesses(spawnOptions)),
        clock,
        logger,
        onUpdate,
        endings: endingsOf(app),
        maxTasksPerChild: options.maxTasksPerChild ?? app.settings.workerMaxTasksPerChild,
        maxMemoryPerChild: options.maxMemoryPerChild ?? app.settings.workerMaxMemoryPerChild,
        readyWithinMs: app.settings.workerProcAliveTimeout * 1000,
      })
    }
  }
}

function childEntry(): URL {
  const extension = import.meta.url.slice(import.meta.url.lastIndexOf('.'))
  return new URL(`../run/child-main${extension}`, import.meta.url)
}

/** Listeners hear of each child before it is started; starting waits for none of them. */
function announced({ app, hostname, pool }: MakePoolOptions, spawn: SpawnChild): SpawnChild {
  return (events) => {
    void app.signals.emit('workerBeforeCreateProcess', () => ({ sender: hostname, pool }))
    return spawn(events)
  }
}

function setupOf({ app, hostname, pool, include }: MakePoolOptions): ChildSetup {
  if (app.file === undefined) {
    throw new SettingError(
      `The pool '${pool}' loads the app in children of its own, but this app was made outside any file. Make it in a module that exports it, or use the pool 'async'.`,
    )
  }
  const { file, connections, logLevel } = app
  return {
    app: file,
    hostname,
    include,
    brokerUrl: connections.brokerUrl(),
    resultBackend: connections.resultUrl(),
    logLevel,
    logging: app.workerLog?.setup,
  }
}

// Source of the text: celery/concurrency/asynpool.py and billiard, WorkerLostError.
function endingsOf(app: TqApp): RunEndings {
  // No traceback: the run has left none, and frames of the pool would tell nobody anything.
  const failure = (error: Error): Failure => {
    const { stored, text } = failureOf(error, app.main)
    return { stored, text, traceback: text }
  }
  return {
    terminated: (signal) => ({ kind: 'revoked', reason: 'terminated', signal }),
    timeout: (seconds) => ({
      kind: 'timeout',
      limitSeconds: seconds,
      failure: failure(new TimeLimitExceeded(seconds)),
    }),
    lost: (how) => ({
      kind: 'workerLost',
      failure: failure(new WorkerLostError(`Worker exited prematurely: ${how}.`)),
    }),
  }
}
