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

/**
 * Refreshes the leases of held messages. Resolves with those that are no longer ours.
 *
 * A refresh that failed may have failed on its way to the server or on its way back, and so may the one after it: every score
 * that was tried since the last answer may be the current one, and each is tried in turn.
 */
export async function renewHeld(broker: RedisBroker, deliveries: readonly RedisDelivery[]): Promise<RedisDelivery[]> {
  const lost: RedisDelivery[] = []
  for (let from = 0; from < deliveries.length; from += batchLimit) {
    const batch = deliveries.slice(from, from + batchLimit)
    lost.push(...(await renew(broker, batch)))
  }
  return lost
}

async function renew(broker: RedisBroker, deliveries: readonly RedisDelivery[]): Promise<readonly RedisDelivery[]> {
  const { connection, scores } = broker
  const renewals = deliveries.map((delivery) => {
    const candidates = [delivery.score, ...delivery.formerScores]
    const score = scores.next()
    // What is sent after this goes by the new score, for commands of one connection keep their order.
    delivery.formerScores = candidates
    delivery.score = score
    return { delivery, candidates, score }
  })
  let left = renewals
  try {
    for (let turn = 0; left.length > 0; turn++) {
      const tried = left.filter(({ candidates }) => turn < candidates.length)
      if (tried.length === 0) break
      const done = new Set(await rescored(broker, tried, turn))
      for (const { delivery } of done) delivery.formerScores = []
      left = left.filter((renewal) => !done.has(renewal))
    }
  } catch (error) {
    // Refused by a server that is there: nothing was changed. Otherwise the next refresh tries all of them.
    if (connection.state === 'ready') {
      for (const { delivery, candidates } of left) {
        const [score = delivery.score, ...formerScores] = candidates
        delivery.score = score
        delivery.formerScores = formerScores
      }
    }
    throw error
  }
  return left.map(({ delivery }) => delivery)
}

interface Renewal {
  readonly delivery: RedisDelivery
  readonly candidates: readonly number[]
  readonly score: number
}

/** Those that were held under the candidate of this turn, and have their new score now. */
async function rescored(
  { connection, layout }: RedisBroker,
  renewals: readonly Renewal[],
  turn: number,
): Promise<readonly Renewal[]> {
  const args = renewals.flatMap(({ delivery, candidates, score }) => [delivery.tag, candidates[turn] ?? '', score, ''])
  const digits = String(await connection.run(rescoreScript, [layout.unackedKey, layout.unackedIndexKey], args))
  return renewals.filter((_, at) => digits[at] === '1')
}
