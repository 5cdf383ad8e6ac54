import { arch, loadavg, platform } from 'node:os'
import type { Clock, Timer } from '../core/clock.ts'
import type { Service } from '../core/lifecycle.ts'
import type { EventSink, WorkerPulse } from '../events/event.ts'
import { softwareIdent } from '../wire/event-dict.ts'

export interface HeartbeatDeps {
  readonly events: EventSink
  readonly clock: Clock
  /** Seconds; undefined: monitors hear nothing of this worker. */
  readonly interval: number | undefined
  readonly version: string
  readonly figures: () => { readonly active: number; readonly processed: number }
  /** After each heartbeat. */
  readonly onBeat?: (() => void) | undefined
}

/** Tells monitors that the worker lives: worker-online, a heartbeat every few seconds, worker-offline. */
export class Heartbeat implements Service {
  readonly #deps: HeartbeatDeps
  #timer: Timer | undefined

  constructor(deps: HeartbeatDeps) {
    this.#deps = deps
  }

  async start(): Promise<void> {
    const { clock, interval } = this.#deps
    if (interval === undefined) return
    this.#emit('worker-online')
    this.#timer = clock.interval(interval * 1000, () => this.beat())
  }

  /** One heartbeat now. */
  beat(): void {
    this.#emit('worker-heartbeat')
    this.#deps.onBeat?.()
  }

  async stop(): Promise<void> {
    if (!this.#timer) return
    this.#timer.cancel()
    this.#timer = undefined
    this.#emit('worker-offline')
    await this.#deps.events.flush()
  }

  #emit(type: WorkerPulse['type']): void {
    const { events, interval = 0, version, figures } = this.#deps
    events.emit({
      type,
      freq: interval,
      ...figures(),
      loadavg: loadavg().map((load) => Math.round(load * 100) / 100),
      swIdent: softwareIdent,
      swVer: version,
      swSys: `${platform()}-${arch()}`,
    })
  }
}
