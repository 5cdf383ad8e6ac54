import { outsideTask } from '../app/context.ts'
import type { Clock } from '../core/clock.ts'
import { deferred } from '../core/lifecycle.ts'
import type { Logger } from '../core/logger.ts'
import type { Pool } from '../pools/pool.ts'
import type { Execution } from '../run/execution.ts'
import type { Executor } from '../run/executor.ts'
import type { KeyStore } from '../transports/key-store.ts'
import type { Queue } from '../transports/topology.ts'
import type { Delivery, Subscription, Transport } from '../transports/transport.ts'
import { EtaQueue } from './eta-queue.ts'
import { RateLimits } from './rate-limit.ts'

export interface ConsumerDeps {
  readonly transport: Transport
  readonly executor: Executor
  readonly pool: Pool
  /** Each queue once for every binding of it. */
  readonly queues: readonly Queue[]
  readonly prefetchMultiplier: number | 'auto'
  /** Nothing is taken that has no free slot, whatever the multiplier. */
  readonly disablePrefetch: boolean
  /** Whether somebody watches the demand to give the pool more slots. */
  readonly canGrow: () => boolean
  readonly clock: Clock
  readonly logger: Logger
  /** Where limits that all workers share take their turns. */
  readonly keys: () => Promise<KeyStore>
  /** Called after each run. */
  readonly onFinished: () => void
}

// A short task is over before the next one arrives; a long one must not keep others waiting behind it.
const shortTaskMs = 10
const shortTaskMultiplier = 4
const weightOfNewest = 0.1
// Ended and not settled yet, per slot: more, and a result store that is slow or away would pile up what it is to store.
const mostSettlingPerSlot = 4

/**
 * Takes deliveries from the broker and keeps the pool's slots filled: what may run waits here in the order of delivery, what is
 * due in a moment in the ETA queue. States: consuming -> paused (no new deliveries) -> closed.
 */
export class Consumer {
  readonly #deps: ConsumerDeps
  readonly #eta: EtaQueue
  readonly rates: RateLimits
  readonly #ready: Execution[] = []
  readonly #settling = new Set<Promise<void>>()
  #subscription: Subscription | undefined
  #running = 0
  /** Ended, but not settled; only of a pool that runs elsewhere. */
  #ending = 0
  #idle = deferred<void>()
  #meanRunMs: number | undefined
  #multiplier: number
  #stopping = false
  /** Running and acknowledged: what the broker no longer counts as held. */
  #acknowledged = 0

  constructor(deps: ConsumerDeps) {
    this.#deps = deps
    this.#eta = new EtaQueue(deps.clock, (execution) => {
      this.#admit(execution)
      this.#fill()
    })
    const { clock, logger, keys, executor } = deps
    const park = (execution: Execution, untilMs: number): void => this.#track(executor.park(execution, untilMs))
    this.rates = new RateLimits({ clock, logger, keys, park }, (execution) => {
      this.#ready.push(execution)
      this.#fill()
    })
    this.#multiplier = deps.prefetchMultiplier === 'auto' ? 1 : deps.prefetchMultiplier
    this.#idle.resolve()
  }

  async start(): Promise<void> {
    const { transport, queues, keys } = this.#deps
    if (this.rates.areShared) await keys() // without one they would all start at once
    await transport.declare({ queues })
    const names = [...new Set(queues.map((queue) => queue.name))]
    this.#subscription = await transport.subscribe(names, { prefetch: this.prefetch }, (deliveries) =>
      outsideTask(() => this.#receive(deliveries)),
    )
  }

  /** Resolves when it consumes this queue, too. */
  async add(bindings: readonly Queue[]): Promise<void> {
    await this.#deps.transport.declare({ queues: bindings })
    for (const name of new Set(bindings.map((queue) => queue.name))) await this.#subscription?.add(name)
  }

  /** What it holds of the queue it still runs. */
  async remove(name: string): Promise<void> {
    await this.#subscription?.remove(name)
  }

  /** Messages held at most; 0 is no limit. */
  get prefetch(): number {
    const { pool, prefetchMultiplier, disablePrefetch, canGrow } = this.#deps
    if (disablePrefetch) return Math.max(1, pool.capacity - this.#acknowledged)
    // What is being settled is still held: a child must not wait for it, nor for the message after it.
    const ahead = pool.runsElsewhere && prefetchMultiplier === 'auto' ? 1 : 0
    const most = (this.#multiplier + ahead) * pool.capacity
    // A demand that is no more than the slots there are would never be seen.
    return most === pool.capacity && canGrow() ? most + 1 : most
  }

  get running(): number {
    return this.#running
  }

  /** Tasks that run, and those that would if there were room. */
  get demand(): number {
    return this.#running + this.#ready.length
  }

  /** Held, but not running: ready ones and those that wait for an ETA of moments. */
  reserved(): readonly Execution[] {
    return [...this.#ready, ...this.rates.waiting(), ...this.#eta.waiting()]
  }

  scheduled(): readonly Execution[] {
    return this.#eta.waiting()
  }

  #receive(deliveries: readonly Delivery[]): void {
    const { executor } = this.#deps
    for (const delivery of deliveries) {
      const admitted = executor.admit(delivery)
      switch (admitted.kind) {
        case 'run':
          this.#admit(admitted.execution)
          break
        case 'wait':
          this.#eta.add(admitted.execution, admitted.untilMs)
          break
        case 'done':
          this.#track(admitted.done)
      }
    }
    this.#fill()
  }

  #admit(execution: Execution): void {
    if (this.rates.admit(execution)) this.#ready.push(execution)
  }

  #track(done: Promise<void>): void {
    const settled = done.catch((error: unknown) => {
      this.#deps.logger.error('A message could not be settled; it stays held until its lease ends.', { error })
    })
    this.#settling.add(settled)
    void settled.finally(() => this.#settling.delete(settled))
  }

  #fill(): void {
    const { pool } = this.#deps
    while (!this.#stopping && this.#running < pool.capacity && this.#ending < mostSettlingPerSlot * pool.capacity) {
      const next = this.#ready.shift()
      if (!next) return
      void this.#run(next)
    }
  }

  async #run(execution: Execution): Promise<void> {
    const { executor, pool, clock, onFinished, disablePrefetch } = this.#deps
    if (this.#running++ + this.#ending === 0) this.#idle = deferred()
    const startedMs = clock.monotonic()
    let isRunning = true
    const free = (): void => {
      isRunning = false
      this.#running--
      this.#learn(clock.monotonic() - startedMs)
      onFinished()
    }
    // A run in this thread shares its loop with what settles it: nothing is gained by an earlier start of the next one.
    const onEnded = (): void => {
      free()
      this.#ending++
      this.#fill()
    }
    const takesSlot = disablePrefetch && !execution.acksLate
    if (takesSlot) await this.#taken()
    await executor.run(execution, pool.runsElsewhere ? onEnded : undefined)
    if (takesSlot) this.#left()
    if (isRunning) free()
    else this.#ending--
    if (this.#running + this.#ending === 0) this.#idle.resolve()
    this.#fill()
  }

  // The broker sends the next message as soon as one is acknowledged: told before, it does not when there is no slot for it.
  async #taken(): Promise<void> {
    this.#acknowledged++
    this.#subscription?.setPrefetch(this.prefetch)
    if (this.#acknowledged >= this.#deps.pool.capacity) await this.#subscription?.pause()
  }

  #left(): void {
    this.#acknowledged--
    if (this.#stopping) return
    this.#subscription?.setPrefetch(this.prefetch)
    this.#subscription?.resume()
  }

  #learn(runMs: number): void {
    if (this.#deps.prefetchMultiplier !== 'auto') return
    this.#meanRunMs =
      this.#meanRunMs === undefined ? runMs : this.#meanRunMs + weightOfNewest * (runMs - this.#meanRunMs)
    const wanted = this.#meanRunMs < shortTaskMs ? shortTaskMultiplier : 1
    if (wanted === this.#multiplier) return
    this.#multiplier = wanted
    this.#subscription?.setPrefetch(this.prefetch)
  }

  /** After the pool has grown or shrunk. */
  resized(): void {
    this.#subscription?.setPrefetch(this.prefetch)
    if (this.#deps.disablePrefetch && this.#acknowledged < this.#deps.pool.capacity && !this.#stopping) {
      this.#subscription?.resume()
    }
    this.#fill()
  }

  /** No new deliveries, no new starts; what runs goes on. */
  async pause(): Promise<void> {
    this.#stopping = true
    this.#eta.clear()
    this.rates.clear()
    this.#ready.length = 0
    await this.#subscription?.pause()
  }

  /** Waits for what runs until `deadlineMs` (monotonic); true when everything has ended. */
  async drain(deadlineMs: number): Promise<boolean> {
    const { clock } = this.#deps
    const late = deferred<'late'>()
    const timer = Number.isFinite(deadlineMs)
      ? clock.timer(deadlineMs - clock.monotonic(), () => late.resolve('late'), { ref: true })
      : undefined
    const all = Promise.all([this.#idle.promise, ...this.#settling])
    const ended = await Promise.race([all, late.promise])
    timer?.cancel()
    return ended !== 'late'
  }

  /** Gives back what is unsettled, to the front of its queue. */
  async close(): Promise<void> {
    await this.#subscription?.close()
  }
}
