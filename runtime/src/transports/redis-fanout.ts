import type { RedisBroker } from './redis-broker.ts'
import { listenToExchange } from './redis-listening.ts'
import type { RedisPublisher } from './redis-publisher.ts'
import type { RedisRouter } from './redis-router.ts'
import type { Listening, Subscription } from './transport.ts'

interface Heard {
  users: number
  readonly listenings: Promise<readonly Listening[]>
}

/**
 * Fanout exchanges are channels on Redis. For the queues bound to one that this process consumes it hears the channel and
 * pushes what comes to their lists, from which it is delivered, held and settled as every other message. Nobody does that for
 * a queue without a consumer: as with kombu, what is published meanwhile does not reach it.
 * Source: kombu/transport/redis.py, Channel.basic_consume, _receive_one.
 */
export class RedisFanout {
  readonly #broker: RedisBroker
  readonly #router: RedisRouter
  readonly #publisher: RedisPublisher
  readonly #heard = new Map<string, Heard>()

  constructor(broker: RedisBroker, router: RedisRouter, publisher: RedisPublisher) {
    this.#broker = broker
    this.#router = router
    this.#publisher = publisher
  }

  /** The subscription, hearing the channels of its queues for as long as it consumes them. */
  over(subscription: Subscription & { readonly queues: readonly string[] }): Subscription {
    return {
      setPrefetch: (prefetch) => subscription.setPrefetch(prefetch),
      add: async (queue) => {
        if (subscription.queues.includes(queue)) return
        await this.open(queue)
        await subscription.add(queue)
      },
      remove: async (queue) => {
        const wasThere = subscription.queues.includes(queue)
        await subscription.remove(queue)
        if (wasThere) await this.#close(queue)
      },
      pause: () => subscription.pause(),
      resume: () => subscription.resume(),
      close: async () => {
        const queues = [...subscription.queues]
        await subscription.close()
        for (const queue of queues) await this.#close(queue)
      },
    }
  }

  /** Resolves when messages published from now on will arrive. */
  async open(queue: string): Promise<void> {
    const known = this.#heard.get(queue)
    if (known) {
      known.users++
      await known.listenings
      return
    }
    const bindings = this.#router.fanoutsOf(queue)
    if (bindings.length === 0) return
    this.#router.setListening(queue, true)
    const listenings = Promise.all(
      bindings.map(({ exchange, routingKey }) =>
        listenToExchange(this.#broker, exchange.name, '#', (message) => {
          this.#publisher.pushTo(queue, { exchange: exchange.name, routingKey, message }).catch((error: unknown) => {
            this.#broker.logger.error(
              `A message of fanout exchange ${exchange.name} did not reach queue '${queue}'; it does not run here: ${String(error)}`,
            )
          })
        }),
      ),
    )
    this.#heard.set(queue, { users: 1, listenings })
    await listenings
  }

  async close(): Promise<void> {
    for (const [queue, heard] of [...this.#heard]) {
      heard.users = 1
      await this.#close(queue)
    }
  }

  async #close(queue: string): Promise<void> {
    const heard = this.#heard.get(queue)
    if (!heard || --heard.users > 0) return
    this.#heard.delete(queue)
    for (const listening of await heard.listenings.catch(() => [])) await listening.close()
    this.#router.setListening(queue, false)
    await this.#router.leave(queue)
  }
}
