import { randomId } from '../core/id.ts'
import { type Deferred, deferred } from '../core/lifecycle.ts'
import { encodeEnvelope } from '../wire/envelope.ts'
import type { RedisBroker } from './redis-broker.ts'
import type { RedisRouter } from './redis-router.ts'
import type { Outgoing } from './transport.ts'

interface Batch {
  readonly texts: string[]
  readonly sent: Deferred<void>
}

const batchLimit = 200

/**
 * Pushes messages. What is published to one list within a turn of the event loop goes out as one LPUSH.
 * Source: kombu/transport/redis.py, Channel._put, _put_fanout.
 */
export class RedisPublisher {
  readonly #broker: RedisBroker
  readonly #router: RedisRouter
  readonly #batches = new Map<string, Batch>()
  #scheduled = false

  constructor(broker: RedisBroker, router: RedisRouter) {
    this.#broker = broker
    this.#router = router
  }

  async publish(batch: readonly Outgoing[]): Promise<void> {
    const { layout } = this.#broker
    const routes = batch.some((outgoing) => outgoing.exchange !== '')
      ? await Promise.all(batch.map((outgoing) => this.#router.queuesOf(outgoing.exchange, outgoing.routingKey)))
      : undefined
    const sent = new Set<Promise<void>>()
    for (const [at, { exchange, routingKey, message }] of batch.entries()) {
      // Two queues must not share a delivery tag, for they share the hash of held messages.
      const encoded = (): string => encodeEnvelope(message, { exchange, routingKey, deliveryTag: randomId() })
      if (exchange !== '' && this.#router.isFanout(exchange)) {
        sent.add(this.broadcastText(exchange, routingKey, encoded()))
      }
      for (const queue of routes?.[at] ?? [routingKey]) {
        sent.add(this.#push(layout.queueKey(queue, message.properties.priority), encoded()))
      }
    }
    await Promise.all(sent)
  }

  /** To one queue, whatever it is bound to. */
  pushTo(queue: string, { exchange, routingKey, message }: Outgoing): Promise<void> {
    const text = encodeEnvelope(message, { exchange, routingKey, deliveryTag: randomId() })
    return this.#push(this.#broker.layout.queueKey(queue, message.properties.priority), text)
  }

  async broadcastText(exchange: string, routingKey: string, text: string): Promise<void> {
    await this.#broker.connection.call('PUBLISH', this.#broker.layout.fanoutChannel(exchange, routingKey), text)
  }

  #push(list: string, text: string): Promise<void> {
    let batch = this.#batches.get(list)
    if (!batch) {
      batch = { texts: [], sent: deferred() }
      this.#batches.set(list, batch)
      this.#schedule()
    }
    batch.texts.push(text)
    if (batch.texts.length >= batchLimit) {
      this.#batches.delete(list)
      this.#send(list, batch)
    }
    return batch.sent.promise
  }

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    queueMicrotask(() => {
      this.#scheduled = false
      const batches = [...this.#batches]
      this.#batches.clear()
      for (const [list, batch] of batches) this.#send(list, batch)
    })
  }

  #send(list: string, batch: Batch): void {
    this.#broker.connection.call('LPUSH', list, ...batch.texts).then(() => batch.sent.resolve(), batch.sent.reject)
  }
}
