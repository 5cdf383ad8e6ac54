import type { AmqpConnection } from '../drivers/amqp-connection.ts'
import { codeOf, replyCode } from '../drivers/amqp-errors.ts'
import { leaseQueue } from '../wire/amqp-layout.ts'
import { assertQueue } from './amqp-topology.ts'
import type { Lease } from './transport.ts'

/**
 * Locks as exclusive queues that expire when nobody asks for them. The lock ends with the connection, which is what a crashed
 * holder needs; one that merely lost its connection learns it from `renew`.
 */
export class AmqpLeases {
  readonly #connection: AmqpConnection
  // The broker lets its own connection in again; who asks twice here must be told apart.
  readonly #held = new Map<string, object>()

  constructor(connection: AmqpConnection) {
    this.#connection = connection
  }

  async take(name: string, ttlMs: number): Promise<Lease | undefined> {
    const queue = leaseQueue(name, ttlMs)
    if (this.#held.has(name) && (await this.#stands(queue.name))) return undefined
    const mine = {}
    this.#held.set(name, mine)
    try {
      await this.#connection.withChannel((channel) => assertQueue(channel, queue))
    } catch (error) {
      if (this.#held.get(name) === mine) this.#held.delete(name)
      if (isTaken(error)) return undefined
      throw error
    }
    const isMine = (): boolean => this.#held.get(name) === mine
    return {
      renew: async () => {
        if (isMine() && (await this.#stands(queue.name))) return true
        if (isMine()) this.#held.delete(name)
        return false
      },
      release: async () => {
        if (!isMine()) return
        this.#held.delete(name)
        await this.#connection
          .withChannel((channel) => channel.deleteQueue(queue.name))
          .catch((error: unknown) => {
            if (!isTaken(error)) throw error
          })
      },
    }
  }

  /** Asking for the queue starts its time to live anew. */
  async #stands(queue: string): Promise<boolean> {
    try {
      await this.#connection.withChannel((channel) => channel.checkQueue(queue))
      return true
    } catch (error) {
      if (isTaken(error) || codeOf(error) === replyCode.notFound) return false
      throw error
    }
  }
}

function isTaken(error: unknown): boolean {
  const code = codeOf(error)
  return code === replyCode.resourceLocked || code === replyCode.preconditionFailed || code === replyCode.notFound
}
