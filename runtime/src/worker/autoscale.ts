import type { Clock, Timer } from '../core/clock.ts'
import { SettingError } from '../core/errors.ts'
import type { Logger } from '../core/logger.ts'
import type { Pool } from '../pools/pool.ts'

export interface AutoscaleRange {
  readonly min: number
  readonly max: number
}

export interface AutoscaleDeps extends AutoscaleRange {
  readonly pool: Pool
  /** Tasks that run or could run now. */
  readonly demand: () => number
  readonly onResized: () => void
  readonly clock: Clock
  readonly logger: Logger
}

const checkMs = 1000
// Source: celery/worker/autoscale.py, AUTOSCALE_KEEPALIVE.
const keepMs = 30_000

/** Reads `--autoscale max,min`; without a min it is 0, which keeps one. Throws SettingError. Source: celery worker --autoscale. */
export function parseAutoscale(text: string): AutoscaleRange {
  const [, max = '', min = '0'] = /^(\d+)(?:,(\d+))?$/.exec(text.trim()) ?? []
  const range = { min: Math.max(1, Number(min)), max: Number(max) }
  if (max === '' || range.max < range.min) {
    throw new SettingError(`expected autoscale to be max,min with max at least min, got '${text}'`)
  }
  return range
}

/** Keeps the pool between two sizes: grows at once with the demand, shrinks when it has been larger than needed for 30 s. */
export class Autoscaler {
  readonly #deps: AutoscaleDeps
  readonly #timer: Timer
  #range: AutoscaleRange
  #lastNeededMs: number

  constructor(deps: AutoscaleDeps) {
    this.#deps = deps
    this.#range = { min: deps.min, max: deps.max }
    this.#lastNeededMs = deps.clock.monotonic()
    this.#timer = deps.clock.interval(checkMs, () => void this.scale())
  }

  get range(): AutoscaleRange {
    return this.#range
  }

  async update(range: AutoscaleRange): Promise<void> {
    this.#range = range
    const { pool } = this.#deps
    if (pool.capacity > range.max) await this.#resize(range.max)
    else if (pool.capacity < range.min) await this.#resize(range.min)
  }

  async scale(): Promise<void> {
    const { pool, demand, clock } = this.#deps
    const wanted = Math.min(this.#range.max, Math.max(this.#range.min, demand()))
    if (wanted >= pool.capacity) this.#lastNeededMs = clock.monotonic()
    if (wanted > pool.capacity) await this.#resize(wanted)
    else if (clock.monotonic() - this.#lastNeededMs > keepMs) await this.#resize(wanted)
  }

  stop(): void {
    this.#timer.cancel()
  }

  async #resize(size: number): Promise<void> {
    const { pool, onResized, logger } = this.#deps
    const by = size - pool.capacity
    if (by === 0) return
    logger.info(`Scaling the pool ${by > 0 ? 'up' : 'down'} from ${pool.capacity} to ${size}.`)
    await (by > 0 ? pool.grow(by) : pool.shrink(-by))
    onResized()
  }
}
