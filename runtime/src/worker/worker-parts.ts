import { publish } from '../app/publish.ts'
import type { TqApp } from '../app/tq.ts'
import type { ResultBackend } from '../backends/result-backend.ts'
import { version } from '../core/version.ts'
import { EventDispatcher } from '../events/dispatcher.ts'
import type { Pool } from '../pools/pool.ts'
import { Executor } from '../run/executor.ts'
import type { Transport } from '../transports/transport.ts'
import { Autoscaler } from './autoscale.ts'
import { Consumer } from './consumer.ts'
import { Heartbeat } from './heartbeat.ts'
import { makePool, type PoolName } from './make-pool.ts'
import type { RevokedTasks } from './revoked.ts'
import type { WorkerOptions } from './worker-options.ts'
import type { WorkerQueues } from './worker-queues.ts'

/** What a worker that runs consists of, connected with each other and not started. */
export interface WorkerParts {
  readonly transport: Transport
  readonly executor: Executor
  readonly pool: Pool
  readonly consumer: Consumer
  readonly heartbeat: Heartbeat
  readonly events: EventDispatcher
  readonly autoscaler: Autoscaler | undefined
}

export interface PartsDeps {
  readonly app: TqApp
  readonly options: WorkerOptions
  readonly hostname: string
  readonly pool: PoolName
  readonly concurrency: number
  readonly transport: Transport
  readonly backend: ResultBackend
  readonly queues: WorkerQueues
  readonly revoked: RevokedTasks
  readonly giveUp: AbortSignal
  /** After each run. */
  readonly onFinished: () => void
}

const waitInMemoryMs = 1000

/** Throws SettingError for what the settings cannot mean. */
export function assembleParts(deps: PartsDeps): WorkerParts {
  const { app, options, hostname, transport, backend, revoked, giveUp } = deps
  const { clock, logger, settings } = app
  const events = dispatcher(deps)
  const pool = makePool({
    app,
    hostname,
    pool: deps.pool,
    concurrency: deps.concurrency,
    include: options.include ?? [],
    maxTasksPerChild: options.maxTasksPerChild,
    maxMemoryPerChild: options.maxMemoryPerChild,
    onUpdate: (update) => executor.onUpdate(update),
  })
  const executor = new Executor({
    app,
    transport,
    backend,
    pool,
    events,
    hostname,
    clock,
    logger,
    publish: (prepared) => publish(app, [prepared]),
    isRevoked: (id, stamps) => revoked.has(id) || revoked.hasStamp(stamps),
    waitAtMostMs: waitInMemoryMs,
    giveUp,
  })
  const consumer = new Consumer({
    transport,
    executor,
    pool,
    queues: deps.queues.bindings,
    prefetchMultiplier: options.prefetchMultiplier ?? settings.workerPrefetchMultiplier,
    disablePrefetch: options.disablePrefetch ?? settings.workerDisablePrefetch,
    canGrow: () => autoscaler !== undefined && pool.capacity < autoscaler.range.max,
    clock,
    logger,
    keys: () => app.connections.keyStore(),
    onFinished: deps.onFinished,
  })
  const heartbeat = new Heartbeat({
    events,
    clock,
    interval: options.heartbeat === undefined ? settings.workerHeartbeatInterval : options.heartbeat || undefined,
    version,
    figures: () => ({ active: consumer.running, processed: processed(executor) }),
    onBeat: () => void app.signals.emit('heartbeatSent', () => ({ sender: hostname })),
  })
  for (const name of app.registry.names()) {
    const { rateLimit = settings.taskDefaultRateLimit } = app.registry.require(name).definition.options
    if (!settings.workerDisableRateLimits) consumer.rates.limit(name, rateLimit)
  }
  const autoscaler = options.autoscale && autoscalerOf(deps, options.autoscale, pool, consumer)
  return { transport, executor, pool, consumer, heartbeat, events, autoscaler }
}

function dispatcher({ app, options, hostname, transport }: PartsDeps): EventDispatcher {
  const { clock, logger, lamport, settings } = app
  const eventsOn = options.events ?? settings.workerSendTaskEvents
  return new EventDispatcher({
    transport,
    hostname,
    pid: process.pid,
    clock,
    lamport,
    logger,
    enabled: eventsOn === 'auto' ? transport.features.embedded : eventsOn,
    serializer: app.eventSerializer,
  })
}

function autoscalerOf(
  { app: { clock, logger } }: PartsDeps,
  range: NonNullable<WorkerOptions['autoscale']>,
  pool: Pool,
  consumer: Consumer,
): Autoscaler {
  const onResized = (): void => consumer.resized()
  return new Autoscaler({ ...range, pool, demand: () => consumer.demand, onResized, clock, logger })
}

function processed(executor: Executor): number {
  let total = 0
  for (const count of executor.totals.values()) total += count
  return total
}
