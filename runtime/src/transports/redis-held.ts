import { markRedelivered } from '../wire/redis-entry.ts'
import type { RedisBroker } from './redis-broker.ts'
import type { RedisDelivery } from './redis-delivery.ts'
import { requeueScript, rescoreScript } from './redis-scripts.ts'
import type { Settled } from './transport.ts'

/** Most messages that one script looks at: it stops the server for its length, and Lua's unpack has a limit. */
export const batchLimit = 200

/** A digit of the scripts: 1 is done, 0 held by somebody else, 2 held by nobody, which after a lost answer was our doing. */
export function settledOf(digit: string | undefined, retried: boolean): Settled {
  return digit === '1' || (digit === '2' && retried) ? 'ok' : 'lost'
}

/** Gives held messages back, marked as redelivered. At the front, the last one given stands first. */
export async function requeueHeld(
  broker: RedisBroker,
  deliveries: readonly RedisDelivery[],
  end: 'front' | 'back',
): Promise<Settled[]> {
  const { connection, layout } = broker
  const answers: Settled[] = []
  for (let from = 0; from < deliveries.length; from += batchLimit) {
    const keys: string[] = [layout.unackedKey, layout.unackedIndexKey]
    const args: (string | number)[] = []
    for (const delivery of deliveries.slice(from, from + batchLimit)) {
      keys.push(layout.queueKey(delivery.info.queue, delivery.info.priority))
      args.push(delivery.tag, delivery.score, end, markRedelivered(delivery.envelope))
    }
    const digits = String(await connection.run(requeueScript, keys, args))
    for (const digit of digits) answers.push(settledOf(digit, false))
  }
  return answers
}

/** Puts a held message under another score, with another entry. */
export async function rescoreHeld(
  broker: RedisBroker,
  delivery: RedisDelivery,
  score: number,
  entry: string,
): Promise<Settled> {
  const { connection, layout } = broker
  const keys = [layout.unackedKey, layout.unackedIndexKey]
  const digits = String(await connection.run(rescoreScript, keys, [delivery.tag, delivery.score, score, entry]))
  return settledOf(digits[0], false)
}

/** Refreshes the leases of held messages. Resolves with those that are no longer ours. */
export async function renewHeld(broker: RedisBroker, deliveries: readonly RedisDelivery[]): Promise<RedisDelivery[]> {
  const lost: RedisDelivery[] = []
  for (let from = 0; from < deliveries.length; from += batchLimit) {
    const batch = deliveries.slice(from, from + batchLimit)
    // An earlier refresh may have failed on its way to the server or on its way back.
    const former = new Map(batch.map((delivery) => [delivery, delivery.formerScore]))
    const refused = await renew(broker, batch)
    const unsure = refused.filter((delivery) => former.get(delivery) !== undefined)
    for (const delivery of unsure) delivery.score = former.get(delivery) ?? delivery.score
    const refusedAgain = await renew(broker, unsure)
    for (const delivery of refused) {
      if (!unsure.includes(delivery) || refusedAgain.includes(delivery)) lost.push(delivery)
    }
  }
  return lost
}

async function renew(broker: RedisBroker, deliveries: readonly RedisDelivery[]): Promise<RedisDelivery[]> {
  if (deliveries.length === 0) return []
  const { connection, layout, scores } = broker
  const args: (string | number)[] = []
  for (const delivery of deliveries) {
    const score = scores.next()
    args.push(delivery.tag, delivery.score, score, '')
    // What is sent after this goes by the new score, for commands of one connection keep their order.
    delivery.formerScore = delivery.score
    delivery.score = score
  }
  try {
    const digits = String(await connection.run(rescoreScript, [layout.unackedKey, layout.unackedIndexKey], args))
    for (const delivery of deliveries) delivery.formerScore = undefined
    return deliveries.filter((_, at) => digits[at] !== '1')
  } catch (error) {
    // Refused by a server that is there: nothing was changed. Otherwise the next refresh tries both scores.
    if (connection.state === 'ready') {
      for (const delivery of deliveries) {
        delivery.score = delivery.formerScore ?? delivery.score
        delivery.formerScore = undefined
      }
    }
    throw error
  }
}
