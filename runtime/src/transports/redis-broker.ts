import type { Clock } from '../core/clock.ts'
import type { Logger } from '../core/logger.ts'
import type { RedisConnection } from '../drivers/redis-connection.ts'
import type { RedisLayout } from '../wire/redis-layout.ts'

/** What all parts of one Redis transport share. */
export interface RedisBroker {
  readonly connection: RedisConnection
  readonly layout: RedisLayout
  readonly clock: Clock
  readonly logger: Logger
  readonly scores: ScoreSource
  readonly visibilityTimeoutMs: number
  /** Node name that parked messages carry. */
  readonly hostname: string
  readonly queueOrder: QueueOrder
  /** Most messages that are restored at once. */
  readonly restoreLimit: number
}

/**
 * Which queue is looked at first: each in turn, by the alphabet, or as they were named.
 * Source: kombu/utils/scheduling.py, round_robin_cycle, sorted_cycle, priority_cycle.
 */
export type QueueOrder = 'round_robin' | 'sorted' | 'priority'

// Distance of two neighbouring doubles around today's epoch seconds.
const tick = 2 ** -22

/**
 * Scores for the index of held messages: epoch seconds as kombu writes them, but each only once. They rise strictly within a
 * process; the part below the millisecond is drawn by lot, so that two processes hardly ever write the same.
 */
export class ScoreSource {
  readonly #clock: Clock
  readonly #offset = Math.floor(Math.random() * 4000) * tick
  #last = Number.NEGATIVE_INFINITY

  constructor(clock: Clock) {
    this.#clock = clock
  }

  next(): number {
    const score = this.#clock.now() / 1000 + this.#offset
    this.#last = score > this.#last ? score : this.#last + tick
    return this.#last
  }
}
