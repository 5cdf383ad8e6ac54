import type { RawMessage } from '../core/message.ts'
import { DecodeError } from '../core/errors.ts'
import { listOf, scanned, textsOf } from '../drivers/redis-reply.ts'
import { decodeEnvelope, parkedBy } from '../wire/envelope.ts'
import { decodeEntry } from '../wire/redis-entry.ts'
import type { RedisBroker } from './redis-broker.ts'
import { rawOf } from './redis-message.ts'
import { purgeScript } from './redis-scripts.ts'
import type { QueueInfo, QueueState } from './transport.ts'

interface HeldHere {
  readonly tag: string
  readonly score: number
  readonly envelope: string
  readonly parked: boolean
}

// Held messages of all queues are in one hash: looking through more of them would cost the server and the reader too much.
const lookLimit = 20_000

/** Looking at queues. Counts of held and parked messages stop at 20,000 messages held on the whole broker. */
export class RedisQueues {
  readonly #broker: RedisBroker

  constructor(broker: RedisBroker) {
    this.#broker = broker
  }

  async info(queue: string): Promise<QueueInfo> {
    const { connection, layout } = this.#broker
    const [held, ...lengths] = await Promise.all([
      this.#held(queue),
      ...layout.queueKeys(queue).map((key) => connection.call('LLEN', key)),
    ])
    const parked = held.filter((message) => message.parked).length
    return {
      ready: lengths.reduce<number>((sum, length) => sum + Number(length), 0),
      held: held.length - parked,
      parked,
    }
  }

  async peek(queue: string, options: { readonly limit: number; readonly state: QueueState }): Promise<RawMessage[]> {
    const { limit, state } = options
    if (limit <= 0) return []
    if (state === 'ready') return this.#peekReady(queue, limit)
    const found = (await this.#held(queue)).filter((message) => message.parked === (state === 'parked'))
    // What falls due next, or has been held longest, comes first.
    return found
      .toSorted((left, right) => left.score - right.score)
      .slice(0, limit)
      .map((message) => rawOf(message.envelope))
  }

  async purge(queue: string): Promise<number> {
    const { connection, layout } = this.#broker
    const parked = (await this.#held(queue)).filter((message) => message.parked)
    let count = 0
    for (let from = 0; from === 0 || from < parked.length; from += 1000) {
      const keys = [layout.unackedKey, layout.unackedIndexKey, ...layout.queueKeys(queue)]
      const args = parked.slice(from, from + 1000).flatMap((message) => [message.tag, message.score])
      count += Number(await connection.run(purgeScript, keys, args))
    }
    return count
  }

  async #peekReady(queue: string, limit: number): Promise<RawMessage[]> {
    const { connection, layout } = this.#broker
    const found: RawMessage[] = []
    for (const key of layout.queueKeys(queue)) {
      const left = limit - found.length
      if (left <= 0) break
      const texts = await connection.call('LRANGE', key, -left, -1)
      // The tail of a list is served first.
      for (const text of textsOf(texts).toReversed()) found.push(rawOf(text))
    }
    return found
  }

  async #held(queue: string): Promise<HeldHere[]> {
    const { connection, layout } = this.#broker
    const found = new Map<string, Omit<HeldHere, 'score'>>()
    let cursor = '0'
    let looked = 0
    do {
      const reply = await connection.call('HSCAN', layout.unackedKey, cursor, 'COUNT', 500)
      const step = scanned(reply)
      const texts = step.found
      cursor = step.cursor
      looked += texts.length / 2
      for (let at = 0; at + 1 < texts.length; at += 2) {
        const tag = texts[at] ?? ''
        const here = heldHere(texts[at + 1] ?? '', queue)
        if (here) found.set(tag, { ...here, tag })
      }
    } while (cursor !== '0' && looked < lookLimit)
    const tags = [...found.keys()]
    const scores = tags.length > 0 ? listOf(await connection.call('ZMSCORE', layout.unackedIndexKey, ...tags)) : []
    return [...found.values()].map((message, at) => ({
      ...message,
      score: Number(scores[at] ?? 0),
    }))
  }
}

function heldHere(text: string, queue: string): Omit<HeldHere, 'score' | 'tag'> | undefined {
  try {
    const { envelope, routingKey } = decodeEntry(text)
    if (routingKey !== queue) return undefined
    return { envelope, parked: parkedBy(decodeEnvelope(envelope).raw) !== undefined }
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    return undefined
  }
}
