import type { Timer } from '../core/clock.ts'
import { DecodeError } from '../core/errors.ts'
import { randomId } from '../core/id.ts'
import { releaseScript } from '../drivers/redis-script.ts'
import { decodeEnvelope, parkedBy } from '../wire/envelope.ts'
import { decodeEntry, markRedelivered, unmarkParkedEnvelope } from '../wire/redis-entry.ts'
import type { RedisBroker } from './redis-broker.ts'
import { type HeldMessage, heldOf } from './redis-message.ts'
import { quarantineHeld } from './redis-quarantine.ts'
import type { RedisRouter } from './redis-router.ts'
import { heldScript, requeueScript } from './redis-scripts.ts'

interface Restorable {
  readonly held: HeldMessage
  readonly lists: readonly string[]
  readonly envelope: string
  readonly parked: boolean
}

const lookMs = 1000
// Celery keeps it for 300 s, also when it was killed meanwhile: nobody waits so long here.
const mutexMs = 5000
const staleMutexMs = 30_000

/**
 * Brings held messages back into their lists when the visibility timeout of their score has passed. That is a parked
 * message whose ETA has come (its score lies just that far in the past) or one whose holder is gone. Only the latter is
 * marked as redelivered. One timer waits for the lowest score; others may park too, so it looks at least once a second.
 * Source: kombu/transport/redis.py, QoS.restore_visible, Mutex.
 */
export class RedisRestorer {
  readonly #broker: RedisBroker
  readonly #router: RedisRouter
  #timer: Timer | undefined
  #timerAtMs = Number.POSITIVE_INFINITY
  #sweeping = false
  #again = false
  #running = false
  /** Monotonic; since when another consumer has the mutex, while messages wait for it. */
  #refusedSinceMs: number | undefined

  constructor(broker: RedisBroker, router: RedisRouter) {
    this.#broker = broker
    this.#router = router
  }

  start(): void {
    if (this.#running) return
    this.#running = true
    this.#sweep()
  }

  stop(): void {
    this.#running = false
    this.#timer?.cancel()
    this.#timer = undefined
    this.#timerAtMs = Number.POSITIVE_INFINITY
  }

  /** Something was parked until then. */
  expect(atMs: number): void {
    if (this.#running && atMs < this.#timerAtMs) this.#arm(atMs)
  }

  #arm(atMs: number): void {
    this.#timer?.cancel()
    this.#timerAtMs = atMs
    this.#timer = this.#broker.clock.timer(Math.max(0, atMs - this.#broker.clock.now()), () => this.#sweep())
  }

  #sweep(): void {
    if (this.#sweeping) {
      this.#again = true
      return
    }
    this.#sweeping = true
    this.#again = false
    this.#timerAtMs = Number.NEGATIVE_INFINITY
    this.#restoreDue()
      .catch((error: unknown) => {
        this.#broker.logger.debug(`Could not look for due messages; looking again in a second: ${String(error)}`)
        return undefined
      })
      .then((nextMs) => {
        this.#sweeping = false
        if (!this.#running) return
        const latestMs = this.#broker.clock.now() + lookMs
        this.#arm(this.#again ? 0 : Math.min(nextMs ?? latestMs, latestMs))
      })
      .catch(() => undefined)
  }

  /** Resolves with the time at which the next message falls due, if there is one. */
  async #restoreDue(): Promise<number | undefined> {
    const { connection, layout, clock, visibilityTimeoutMs, restoreLimit } = this.#broker
    if (connection.state !== 'ready') return undefined
    const latest = clock.now() / 1000 - visibilityTimeoutMs / 1000
    const reply = await connection.run(
      heldScript,
      [layout.unackedKey, layout.unackedIndexKey],
      ['-inf', latest, restoreLimit],
    )
    const { found, nextScore } = heldOf(reply)
    const parked: Restorable[] = []
    const expired: Restorable[] = []
    for (const held of found) {
      const restorable = await this.#read(held)
      if (restorable) (restorable.parked ? parked : expired).push(restorable)
    }
    await this.#putBack(parked)
    const full = found.length === restoreLimit
    if (expired.length > 0) await this.#restoreExpired(expired, full)
    else this.#refusedSinceMs = undefined
    if (full) return clock.now()
    return nextScore === undefined ? undefined : nextScore * 1000 + visibilityTimeoutMs
  }

  async #restoreExpired(expired: readonly Restorable[], full: boolean): Promise<void> {
    const { clock, connection, layout, logger, visibilityTimeoutMs } = this.#broker
    const token = randomId()
    // The moves compare scores and need no lock; it keeps Python's consumers from doing the same work meanwhile. So one that is held
    // for long is not waited for.
    const locked = await connection.call('SET', layout.unackedMutexKey, token, 'PX', mutexMs, 'NX')
    const nowMs = clock.monotonic()
    if (locked === 'OK') this.#refusedSinceMs = undefined
    else this.#refusedSinceMs ??= nowMs
    const isStale = this.#refusedSinceMs !== undefined && nowMs - this.#refusedSinceMs > staleMutexMs
    // What blocks the view of later messages is moved in any case.
    if (locked !== 'OK' && !full && !isStale) return
    try {
      const count = await this.#putBack(expired)
      if (count > 0) {
        logger.warn(
          `Put ${count} messages back into their queues: nobody had settled them for ${visibilityTimeoutMs / 1000} s. They are delivered a second time.`,
        )
      }
    } finally {
      await connection.run(releaseScript, [layout.unackedMutexKey], [token])
    }
  }

  /** To the front of the lists; what fell due first is served first. */
  async #putBack(messages: readonly Restorable[]): Promise<number> {
    if (messages.length === 0) return 0
    const { connection, layout } = this.#broker
    const keys: string[] = [layout.unackedKey, layout.unackedIndexKey]
    const args: (string | number)[] = []
    for (const { held, lists, envelope } of messages.toReversed()) {
      keys.push(lists[0] ?? '')
      args.push(held.tag, held.score, 'front', envelope)
    }
    const digits = String(await connection.run(requeueScript, keys, args))
    return digits.replaceAll(/[^1]/g, '').length
  }

  async #read(held: HeldMessage): Promise<Restorable | undefined> {
    const { layout } = this.#broker
    let queue = ''
    try {
      const entry = decodeEntry(held.entry)
      const { raw } = decodeEnvelope(entry.envelope)
      queue = (await this.#router.queuesOf(entry.exchange, entry.routingKey))[0] ?? entry.routingKey
      const parked = parkedBy(raw) !== undefined
      return {
        held,
        lists: [layout.queueKey(queue, raw.properties.priority)],
        envelope: parked ? unmarkParkedEnvelope(entry.envelope) : markRedelivered(entry.envelope),
        parked,
      }
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
      await quarantineHeld(this.#broker, { ...held, envelope: held.entry, queue }, error.message)
      this.#broker.logger.error(
        `Quarantined a held message that cannot be restored: ${error.message}. It will not run.`,
      )
      return undefined
    }
  }
}
