import { ChannelError } from '../core/errors.ts'
import { randomId } from '../core/id.ts'
import { listOf, textsOf } from '../drivers/redis-reply.ts'
import { decodeJson, encodeJson } from '../serializers/json.ts'
import type { RedisBroker } from './redis-broker.ts'
import { RedisDelivery } from './redis-delivery.ts'
import { rawOf } from './redis-message.ts'
import { quarantineScript, unquarantineScript } from './redis-scripts.ts'
import type { Delivery, Quarantine, Quarantined, Settled } from './transport.ts'

/** Hash of records by id, and a sorted set of the ids by time: the newest 1,000 of seven days. Python never looks here. */
export class RedisQuarantine implements Quarantine {
  readonly recordsKey: string
  readonly timesKey: string
  readonly #broker: RedisBroker

  constructor(broker: RedisBroker) {
    this.#broker = broker
    this.recordsKey = broker.layout.quarantineKey
    this.timesKey = broker.layout.ownKey('quarantine.times')
  }

  async put(delivery: Delivery, reason: string): Promise<void> {
    if (!(delivery instanceof RedisDelivery)) throw new ChannelError('This delivery did not come from Redis.')
    await delivery.quarantine(reason)
  }

  async list(limit: number): Promise<readonly Quarantined[]> {
    const { connection } = this.#broker
    if (limit <= 0) return []
    const ids = textsOf(await connection.call('ZREVRANGE', this.timesKey, 0, limit - 1))
    if (ids.length === 0) return []
    const records = await connection.call('HMGET', this.recordsKey, ...ids)
    const found: Quarantined[] = []
    for (const [at, text] of listOf(records).entries()) {
      const record = typeof text === 'string' ? recordOf(text) : undefined
      if (!record) continue
      const { queue, reason, atMs } = record
      found.push({ id: ids[at] ?? '', queue, reason, atMs, raw: rawOf(record.text) })
    }
    return found
  }

  async restore(id: string): Promise<void> {
    const { connection, layout } = this.#broker
    const text = await connection.call('HGET', this.recordsKey, id)
    const record = typeof text === 'string' ? recordOf(text) : undefined
    if (!record) throw new ChannelError(`No message ${id} is in quarantine at ${connection.url}.`)
    const list = layout.queueKey(record.queue, rawOf(record.text).properties.priority)
    await connection.run(unquarantineScript, [this.recordsKey, this.timesKey, list], [id, record.text])
  }

  async drop(id: string): Promise<void> {
    const { connection } = this.#broker
    await Promise.all([connection.call('HDEL', this.recordsKey, id), connection.call('ZREM', this.timesKey, id)])
  }

  /** A script has quarantined a text that has no delivery tag, so that nobody could hold it. */
  reported(id: string): void {
    this.#broker.logger.error(
      `Quarantined a message that is no kombu envelope (${id}). It will not run; see tq quarantine.`,
    )
  }
}

/** Takes a held message out of its queue and keeps it with the reason. */
export async function quarantineHeld(
  broker: RedisBroker,
  held: { readonly tag: string; readonly score: number; readonly envelope: string; readonly queue: string },
  reason: string,
): Promise<Settled> {
  const { connection, layout, clock, scores } = broker
  const atMs = clock.now()
  // Ids of one millisecond still sort by age, and Redis goes by them then.
  const id = `${scores.next().toFixed(7)}-${randomId().slice(0, 8)}`
  const record = encodeJson({ queue: held.queue, reason, atMs, text: held.envelope })
  const digit = await connection.run(
    quarantineScript,
    [layout.unackedKey, layout.unackedIndexKey, layout.quarantineKey, layout.ownKey('quarantine.times')],
    [held.tag, held.score, atMs, id, record],
  )
  return digit === '1' ? 'ok' : 'lost'
}

interface QuarantineRecord {
  readonly queue: string
  readonly reason: string
  readonly atMs: number
  readonly text: string
}

function recordOf(json: string): QuarantineRecord | undefined {
  const record = decodeJson(json)
  if (typeof record !== 'object' || record === null) return undefined
  if (!('queue' in record && 'reason' in record && 'atMs' in record && 'text' in record)) return undefined
  const { queue, reason, atMs, text } = record
  return { queue: String(queue), reason: String(reason), atMs: Number(atMs), text: String(text) }
}
