import type { Channel, GetMessage } from 'amqplib'
import type { RawMessage } from '../core/message.ts'
import { codeOf, replyCode } from '../drivers/amqp-errors.ts'
import { delayedFor, delayQueues, fromAmqp } from '../wire/amqp-layout.ts'
import type { AmqpBroker } from './amqp-broker.ts'
import type { AmqpPeers } from './amqp-peers.ts'
import type { QueueInfo } from './transport.ts'

/** Delayed messages looked at to tell whose they are; where more wait, the rest is taken to be shared in the same way. */
const sampleSize = 1000
// Each one looked at is fetched and given back.
const lookLimit = 20_000

/**
 * Counts and looks. AMQP lets nobody look without taking: messages are taken for a moment and given back, which marks those
 * that are ready as redelivered. The delay queues are shared by all queues, so the parked messages of one are told by their
 * routing key, and anew only when the delay queues have changed.
 */
export class AmqpQueues {
  readonly #broker: AmqpBroker
  readonly #peers: AmqpPeers
  #sample: { readonly counts: string; readonly shares: ReadonlyMap<string, number> } | undefined

  constructor(broker: AmqpBroker, peers: AmqpPeers) {
    this.#broker = broker
    this.#peers = peers
  }

  async info(queue: string): Promise<QueueInfo> {
    const counts = await this.#counts(queue)
    if (!counts) return { ready: 0, held: 0, parked: 0, consumers: 0 }
    const [here, delayed] = await Promise.all([this.#peers.sum(queue), this.#delayed(queue)])
    const { messageCount: ready, consumerCount: consumers } = counts
    return { ready, held: here.held, parked: here.parked + delayed, consumers }
  }

  async peekReady(queue: string, limit: number): Promise<readonly RawMessage[]> {
    if (!(await this.#counts(queue))) return []
    return this.#broker.connection.withChannel(async (channel) => {
      const found: RawMessage[] = []
      // The channel gives all of it back when it is closed, each to its place.
      while (found.length < limit) {
        const message = await channel.get(queue)
        if (!message) break
        found.push(fromAmqp(message.content, message.properties).raw)
      }
      return found
    })
  }

  async peekParked(queue: string, limit: number): Promise<readonly RawMessage[]> {
    const found: { readonly raw: RawMessage; readonly dueMs: number }[] = []
    await this.#eachDelayed(async (_, message) => {
      if (delayedFor(message.fields.routingKey) !== queue) return
      const { raw, dueMs } = fromAmqp(message.content, message.properties)
      found.push({ raw, dueMs: dueMs ?? Infinity })
    }, lookLimit)
    const inOrder = found.toSorted((a, b) => a.dueMs - b.dueMs || 0)
    return inOrder.slice(0, limit).map(({ raw }) => raw)
  }

  /** Deletes what is ready and what is delayed; returns how many. */
  async purge(queue: string): Promise<number> {
    if (!(await this.#counts(queue))) return 0
    const { messageCount } = await this.#broker.connection.withChannel((channel) => channel.purgeQueue(queue))
    let parked = 0
    await this.#eachDelayed(async (channel, message) => {
      if (delayedFor(message.fields.routingKey) !== queue) return
      channel.ack(message)
      parked++
    }, Infinity)
    this.#sample = undefined
    return messageCount + parked
  }

  async #counts(queue: string): Promise<{ messageCount: number; consumerCount: number } | undefined> {
    try {
      return await this.#broker.connection.withChannel((channel) => channel.checkQueue(queue))
    } catch (error) {
      if (codeOf(error) === replyCode.notFound) return undefined
      throw error
    }
  }

  async #delayed(queue: string): Promise<number> {
    const levels = await this.#levelCounts()
    const total = levels.reduce((sum, [, count]) => sum + count, 0)
    if (total === 0) return 0
    const counts = JSON.stringify(levels)
    if (this.#sample?.counts !== counts) {
      const shares = new Map<string, number>()
      let seen = 0
      await this.#eachDelayed(async (_, message) => {
        const name = delayedFor(message.fields.routingKey) ?? ''
        shares.set(name, (shares.get(name) ?? 0) + 1)
        seen++
      }, sampleSize)
      for (const [name, count] of shares) shares.set(name, Math.round((count / seen) * Math.max(total, seen)))
      this.#sample = { counts, shares }
    }
    return this.#sample.shares.get(queue) ?? 0
  }

  /** The delay queues that hold messages; none where no delay was ever asked for. */
  async #levelCounts(): Promise<readonly (readonly [queue: string, count: number])[]> {
    try {
      return await this.#broker.connection.withChannel(async (channel) => {
        const answers = await Promise.all(delayQueues.map((name) => channel.checkQueue(name)))
        return answers.filter(({ messageCount }) => messageCount > 0).map((each) => [each.queue, each.messageCount])
      })
    } catch (error) {
      if (codeOf(error) === replyCode.notFound) return []
      throw error
    }
  }

  async #eachDelayed(look: (channel: Channel, message: GetMessage) => Promise<void>, limit: number): Promise<void> {
    const levels = await this.#levelCounts()
    if (levels.length === 0) return
    await this.#broker.connection.withChannel(async (channel) => {
      let left = limit
      for (const [queue, count] of levels) {
        // What is given back meanwhile by others is not counted twice.
        for (let at = 0; at < count && left > 0; at++, left--) {
          const message = await channel.get(queue)
          if (!message) break
          await look(channel, message)
        }
      }
    })
  }
}
