import { outsideTask } from '../app/context.ts'
import { errorOf } from '../app/async-result.ts'
import { createMemoryServer, openMemory } from '../app/open-driver.ts'
import { afterPublish, beforePublish } from '../app/publish-signals.ts'
import { type Prepared, sentEvent } from '../app/send.ts'
import type { EagerRun, EagerRunner } from '../app/eager-calls.ts'
import type { TqApp } from '../app/tq.ts'
import type { ResultBackend } from '../backends/result-backend.ts'
import type { Clock } from '../core/clock.ts'
import { TimeLimitExceeded } from '../core/errors.ts'
import { type Deferred, deferred } from '../core/lifecycle.ts'
import type { Logger } from '../core/logger.ts'
import type { Outcome } from '../core/outcome.ts'
import { VirtualClock } from '../core/virtual-clock.ts'
import type { EventSink } from '../events/event.ts'
import { EventDispatcher } from '../events/dispatcher.ts'
import type { Pool, RunTask } from '../pools/pool.ts'
import type { KeyStore } from '../transports/key-store.ts'
import type { Delivery, Subscription, Transport } from '../transports/transport.ts'
import { Executor } from './executor.ts'
import { taskRunner, Terminated } from './run-task.ts'

/**
 * Runs calls here, through the executor of the worker: the message is encoded, delivered from memory, decoded, run, settled. Retries
 * and ETAs pass on a virtual clock, at once; the task's own waiting is real. Results and events stay in memory unless
 * `taskStoreEagerResult` sends them to the app's own broker and backend.
 */
export class Eager implements EagerRunner {
  readonly #app: TqApp
  readonly #clock: VirtualClock
  readonly #awaited = new Map<string, Deferred<Outcome>>()
  /** Runs so far of the calls that are awaited. */
  readonly #attempts = new Map<string, number>()
  #opening: Promise<Opened> | undefined
  #open = 0
  #driving: Promise<void> | undefined
  #changed = deferred<void>()

  constructor(app: TqApp) {
    this.#app = app
    this.#clock = new VirtualClock(app.clock.now())
  }

  async run(prepared: Prepared, options: { readonly wait: boolean }): Promise<EagerRun> {
    const { id } = prepared.message
    const outcome = deferred<Outcome>()
    this.#awaited.set(id, outcome)
    this.#attempts.set(id, 0)
    const startMs = this.#clock.monotonic()
    await this.#publish(prepared)
    const { events } = await this.#opened()
    if (this.#app.settings.taskSendSentEvent !== false) events.emit(sentEvent(prepared))
    this.#driving ??= outsideTask(() => this.#drive()).finally(() => {
      this.#driving = undefined
    })
    if (!options.wait) return { error: undefined, attempts: 0, simulatedMs: 0 }
    const ended = await outcome.promise
    const went = { attempts: this.#attempts.get(id) ?? 1, simulatedMs: this.#clock.monotonic() - startMs }
    this.#attempts.delete(id)
    await this.#driving
    if (ended.kind === 'failure') {
      const { failure } = ended
      const stored = errorOf({ id, state: 'FAILURE', error: failure.stored, traceback: failure.traceback })
      return { ...went, error: failure.error instanceof Error ? failure.error : stored }
    }
    return { ...went, error: undefined }
  }

  async backend(): Promise<ResultBackend> {
    return (await this.#opened()).backend
  }

  async keyStore(): Promise<KeyStore> {
    return (await this.#opened()).keys
  }

  async #publish(prepared: Prepared): Promise<void> {
    const opened = await this.#opened()
    await beforePublish(this.#app, [prepared])
    const { message, raw, route } = prepared
    this.#open++
    const { queue } = route
    await opened.consume(queue)
    await opened.transport.publish([{ exchange: '', routingKey: queue, message: raw, dueMs: message.etaMs }])
    await afterPublish(this.#app, [prepared])
  }

  /** Until nothing is left to run: whenever everything rests, the virtual clock goes to its next timer. */
  async #drive(): Promise<void> {
    const { executor } = await this.#opened()
    while (this.#open > 0) {
      this.#changed = deferred()
      if (executor.active.size === 0) await this.#clock.advance(0) // lets a publish arm its timer
      const next = this.#clock.untilNext
      if (executor.active.size === 0 && next !== undefined) await this.#clock.advance(next)
      else if (this.#open > 0) await this.#changed.promise
    }
  }

  #opened(): Promise<Opened> {
    this.#opening ??= this.#start()
    return this.#opening
  }

  async #start(): Promise<Opened> {
    const app = this.#app
    const { settings, connections, clock: realClock, lamport } = app
    // Whoever called sees how it ended; a worker's log of it would say it twice.
    const quiet: Logger['debug'] = (message, fields) => app.logger.debug(message, fields)
    const warn: Logger['warn'] = (message, fields) => app.logger.warn(message, fields)
    const logger: Logger = { debug: quiet, info: quiet, warn, error: quiet }
    const virtual = this.#clock
    const memory = await openMemory(await createMemoryServer(), { clock: virtual, logger, codec: app.resultCodec })
    await memory.transport.connect()
    const stored = settings.taskStoreEagerResult
    const backend = stored ? await connections.backend() : memory.backend
    const events = new EventDispatcher({
      transport: stored ? await connections.transport() : memory.transport,
      hostname: app.origin,
      pid: process.pid,
      clock: virtual,
      lamport,
      logger,
      enabled: true,
      serializer: app.eventSerializer,
    })
    // What a task measures and waits for is real; what tq waits for between runs is not.
    const taskClock: Clock = {
      now: () => virtual.now(),
      monotonic: () => realClock.monotonic(),
      sleep: (ms, signal) => realClock.sleep(ms, signal),
      timer: (ms, fn, options) => realClock.timer(ms, fn, options),
      interval: (ms, fn) => realClock.interval(ms, fn),
    }
    const runTask = taskRunner({
      app,
      clock: taskClock,
      isEager: true,
      backend: async () => backend,
      onUpdate: (update) => executor.onUpdate(update),
    })
    const executor = new Executor({
      app,
      transport: memory.transport,
      backend,
      pool: eagerPool(runTask, taskClock),
      events,
      hostname: app.origin,
      clock: taskClock,
      logger,
      publish: (prepared) => this.#publish(prepared),
      isRevoked: () => false,
      keys: async () => memory.keys,
      waitAtMostMs: Infinity,
      giveUp: new AbortController().signal,
    })
    const receive = (deliveries: readonly Delivery[]): void => {
      for (const delivery of deliveries) void this.#execute(executor, delivery)
    }
    const subscriptions = new Map<string, Promise<Subscription>>()
    return {
      transport: memory.transport,
      keys: memory.keys,
      backend,
      events,
      executor,
      consume: async (queue) => {
        const known =
          subscriptions.get(queue) ??
          memory.transport.subscribe([queue], { prefetch: 0 }, (list) => outsideTask(() => receive(list)))
        subscriptions.set(queue, known)
        await known
      },
      close: async () => {
        for (const one of subscriptions.values()) await (await one).close()
        await events.close()
        if (backend !== memory.backend) await memory.backend.close()
        await memory.transport.close()
      },
    }
  }

  async #execute(executor: Executor, delivery: Delivery): Promise<void> {
    const admitted = executor.admit(delivery)
    if (admitted.kind === 'done') {
      await admitted.done
      this.#ended(idOf(delivery), { kind: 'ignore' })
      return
    }
    const { execution } = admitted
    if (admitted.kind === 'wait') await this.#clock.sleep(admitted.untilMs - this.#clock.now())
    const { id } = execution.message
    const before = this.#attempts.get(id)
    if (before !== undefined) this.#attempts.set(id, before + 1)
    const outcome = (await executor.run(execution)) ?? { kind: 'ignore' }
    // Back in its queue: it is delivered again, and until then nothing has ended.
    if (outcome.kind === 'reject' && outcome.requeue && execution.acksLate) this.#changed.resolve()
    else this.#ended(id, outcome)
  }

  #ended(id: string, outcome: Outcome): void {
    this.#open--
    if (outcome.kind !== 'retry') {
      this.#awaited.get(id)?.resolve(outcome)
      this.#awaited.delete(id)
    }
    this.#changed.resolve()
  }

  async close(): Promise<void> {
    await (await this.#opening)?.close()
    this.#opening = undefined
  }
}

interface Opened {
  readonly transport: Transport
  readonly keys: KeyStore
  readonly backend: ResultBackend
  readonly events: EventSink
  readonly executor: Executor
  consume(queue: string): Promise<void>
  close(): Promise<void>
}

/** A pool without slots: the caller's own event loop. */
function eagerPool(runTask: RunTask, clock: Clock): Pool {
  let busy = 0
  return {
    name: 'eager',
    capacity: Infinity,
    get busy() {
      return busy
    },
    start: async () => {},
    run: (job) => {
      busy++
      const controller = new AbortController()
      const outcome = runTask(job, controller.signal).finally(() => busy--)
      const accepted = Promise.resolve({ pid: process.pid, atMs: clock.now() })
      return {
        accepted,
        outcome,
        terminate: (signal) => controller.abort(new Terminated(signal)),
        expire: (seconds) => controller.abort(new TimeLimitExceeded(seconds)),
      }
    },
    runsElsewhere: false,
    pids: [process.pid],
    grow: async () => {},
    shrink: async () => {},
    restart: async () => {},
    stop: async () => [],
  }
}

function idOf(delivery: Delivery): string {
  return delivery.raw.properties.correlationId ?? ''
}
