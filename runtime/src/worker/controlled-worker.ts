import { freemem, totalmem } from 'node:os'
import type { TqApp } from '../app/tq.ts'
import { version } from '../core/version.ts'
import type { WorkerStats } from '../wire/inspect-dict.ts'
import { parkedTasks } from './parked-tasks.ts'
import type { Controlled } from './remote-commands.ts'
import type { RevokedTasks } from './revoked.ts'
import type { WorkerOptions } from './worker-options.ts'
import type { WorkerParts } from './worker-parts.ts'
import type { WorkerQueues } from './worker-queues.ts'

export interface ControlledDeps {
  readonly app: TqApp
  readonly options: WorkerOptions
  readonly hostname: string
  readonly queues: WorkerQueues
  readonly revoked: RevokedTasks
  readonly parts: WorkerParts
  readonly startedMonotonic: number
  readonly stop: () => void
}

/** A running worker as remote control sees it. */
export function controlledWorker(deps: ControlledDeps): Controlled {
  const { app, hostname, queues, revoked } = deps
  const { executor, consumer, heartbeat, events, pool, autoscaler, transport } = deps.parts
  return {
    hostname,
    queues: () => queues.bindings,
    addQueue: async (name, binding) => {
      const bindings = queues.add(name, binding)
      if (bindings) await consumer.add(bindings)
      return bindings !== undefined
    },
    removeQueue: async (name) => {
      const queue = queues.remove(name)
      if (queue !== undefined) await consumer.remove(queue)
      return queue !== undefined
    },
    active: () => [...executor.active.values()].filter((one) => one.startedAtMs !== undefined),
    reserved: () => consumer.reserved(),
    scheduled: () => consumer.scheduled(),
    parked: () => parkedTasks({ app, transport, hostname, queues: queues.names }),
    registered: () => app.registry.names(),
    stats: () => statsOf(deps),
    report: () =>
      `tq ${version}, Node ${process.version}, ${Math.round(freemem() / 2 ** 20)} of ${Math.round(totalmem() / 2 ** 20)} MB free`,
    clock: () => app.lamport.value,
    revoked: () => revoked.ids(),
    revoke: (ids) => revoked.add(ids),
    learnRevoked: (ids) => revoked.learn(ids),
    revokeStamps: (stamps) => revoked.addStamps(stamps),
    terminate: (id, signal) => {
      const run = executor.active.get(id)?.run
      run?.terminate(signal)
      return run !== undefined
    },
    setTimeLimits: (task, limits) => executor.limits.change(task, limits),
    setRateLimit: (task, perSecond) => consumer.rates.set(task, perSecond),
    pool,
    resized: () => consumer.resized(),
    autoscaler,
    setEvents: (on) => {
      const changed = events.enabled !== on
      events.setEnabled(on)
      return changed
    },
    heartbeat: () => heartbeat.beat(),
    shutdown: () => {
      app.logger.warn(`${hostname} was told to shut down by remote control.`)
      deps.stop()
    },
  }
}

function statsOf({ app, options, parts, startedMonotonic }: ControlledDeps): WorkerStats {
  const { clock, lamport, connections, settings } = app
  const { executor, pool, consumer, transport } = parts
  const usage = process.resourceUsage()
  const url = URL.parse(connections.brokerUrl())
  return {
    total: Object.fromEntries(executor.totals),
    pid: process.pid,
    clock: lamport.value,
    uptime: (clock.monotonic() - startedMonotonic) / 1000,
    pool: {
      implementation: `tq/pools/${pool.name}`,
      maxConcurrency: pool.capacity,
      processes: pool.pids,
      maxTasksPerChild: options.maxTasksPerChild ?? settings.workerMaxTasksPerChild,
      timeouts: { soft: settings.taskSoftTimeLimit ?? 0, hard: settings.taskTimeLimit ?? 0 },
    },
    broker: {
      transport: transport.name,
      hostname: url?.hostname ?? '',
      port: url?.port ? Number(url.port) : undefined,
      userid: url?.username || undefined,
      virtualHost: url?.pathname ?? '',
    },
    prefetchCount: consumer.prefetch,
    rusage: { utime: usage.userCPUTime / 1e6, stime: usage.systemCPUTime / 1e6, maxrss: usage.maxRSS },
  }
}
