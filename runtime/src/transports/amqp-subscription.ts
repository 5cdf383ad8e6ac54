import type { Channel, ConsumeMessage, Message } from 'amqplib'
import type { Timer } from '../core/clock.ts'
import { ChannelError, ConnectionError } from '../core/errors.ts'
import { closeChannel } from '../drivers/amqp-channel.ts'
import { amqpError, codeOf, replyCode } from '../drivers/amqp-errors.ts'
import { delayedDelivery, delayedFor, fromAmqp, isReplicated } from '../wire/amqp-layout.ts'
import type { AmqpBroker } from './amqp-broker.ts'
import { AmqpDelivery, type DeliveryHolder } from './amqp-delivery.ts'
import { AmqpInbox } from './amqp-inbox.ts'
import { AmqpLedger } from './amqp-ledger.ts'
import type { AmqpQuarantine } from './amqp-quarantine.ts'
import type { Delivery, Settled, Subscription } from './transport.ts'

/** A message due within this time is waited for here; the delay queues know whole seconds only. */
const waitHereMs = 1500
const firstRetryMs = 50
const longestRetryMs = 5000

/**
 * Consumers of one channel. States: `open`, `paused` (no consumers, held messages stay held), `closed`. The channel comes and
 * goes under it: when it is gone, all it brought is lost to us and the broker delivers it again; a new one is opened when the
 * connection is back, or after a pause where the server closed the channel alone.
 *
 * Each consumer has the prefetch for itself; several share one of the channel besides, where the broker has such a thing (not
 * for quorum queues). What goes beyond the prefetch all the same waits here.
 */
export class AmqpSubscription implements Subscription, DeliveryHolder {
  readonly #broker: AmqpBroker
  readonly #quarantine: AmqpQuarantine
  readonly #onClose: () => void
  readonly #ledger = new AmqpLedger()
  readonly #consumers = new Map<string, string>()
  readonly #inbox: AmqpInbox
  #acks: { readonly delivery: AmqpDelivery; readonly answer: (settled: Settled) => void }[] = []
  #queues: readonly string[]
  #prefetch: number
  /** Channel-wide prefetch is refused: a quorum queue, or a broker that has given it up. */
  #perConsumer = false
  /** Their consumers were ended by the broker. */
  readonly #gone = new Set<string>()
  #state: 'open' | 'paused' | 'closed' = 'open'
  #channel: Channel | undefined
  #retry: Timer | undefined
  #tries = 0
  // Consuming, cancelling and the prefetch go to the broker one after the other.
  #last: Promise<unknown> = Promise.resolve()

  constructor(
    broker: AmqpBroker,
    quarantine: AmqpQuarantine,
    options: { readonly queues: readonly string[]; readonly prefetch: number },
    onDeliveries: (deliveries: readonly Delivery[]) => void,
    onClose: () => void,
  ) {
    this.#broker = broker
    this.#quarantine = quarantine
    this.#queues = [...new Set(options.queues)]
    this.#prefetch = options.prefetch
    this.#onClose = onClose
    this.#inbox = new AmqpInbox(options.prefetch, {
      clock: broker.clock,
      isOpen: () => this.#state === 'open',
      hand: (deliveries) => {
        try {
          onDeliveries(deliveries)
        } catch (error) {
          broker.logger.error('A consumer threw an error; what it was given counts as delivered.', { error })
        }
      },
    })
  }

  /** Starts to consume. Rejects as the broker does; what is refused for good leaves nothing behind. */
  open(): Promise<void> {
    return this.#inTurn(() => this.#consumeAll())
  }

  setPrefetch(prefetch: number): void {
    if (prefetch === this.#prefetch) return
    this.#prefetch = prefetch
    this.#background(async () => {
      const channel = this.#channel
      if (!channel) return
      // It holds for consumers that come after it. The former ones go last: a queue may delete itself with its last consumer.
      const former = [...this.#consumers.values()]
      this.#consumers.clear()
      await this.#consumeAll()
      if (this.#channel === channel) for (const tag of former) await channel.cancel(tag)
    })
    this.#inbox.setLimit(prefetch)
  }

  async add(queue: string): Promise<void> {
    if (this.#state === 'closed') throw this.#closedError()
    if (this.#queues.includes(queue)) return
    this.#queues = [...this.#queues, queue]
    await this.#inTurn(() => this.#consumeAll())
  }

  async remove(queue: string): Promise<void> {
    this.#queues = this.#queues.filter((name) => name !== queue)
    await this.#inTurn(async () => {
      const tag = this.#consumers.get(queue)
      if (tag === undefined || !this.#channel) return
      this.#consumers.delete(queue)
      await this.#channel.cancel(tag)
    })
    this.#broker.topology.left(queue)
  }

  async pause(): Promise<void> {
    if (this.#state !== 'open') return
    this.#state = 'paused'
    await this.#inTurn(async () => {
      if (this.#channel) await this.#cancelAll(this.#channel)
    }).catch(() => undefined) // a channel that is gone delivers nothing
  }

  resume(): void {
    if (this.#state !== 'paused') return
    this.#state = 'open'
    this.#background(() => this.#consumeAll())
    this.#inbox.handSoon()
  }

  async close(): Promise<void> {
    if (this.#state === 'closed') return
    this.#flushAcks()
    this.#state = 'closed'
    this.#retry?.cancel()
    await this.#inTurn(async () => {
      const channel = this.#channel
      this.#loseAll()
      // The broker puts what was unsettled back where it was.
      if (channel) await closeChannel(channel)
    }).catch(() => undefined)
    for (const queue of this.#queues) this.#broker.topology.left(queue)
    this.#onClose()
  }

  /** After a reconnect, and after the server closed the channel. */
  async recover(): Promise<void> {
    if (this.#state !== 'open') return
    await this.#inTurn(() => this.#consumeAll())
  }

  /** Handed over and unsettled, or about to be. */
  held(queue: string): readonly AmqpDelivery[] {
    return this.#ledger.all().filter((delivery) => delivery.info.queue === queue && !this.#inbox.isWaiting(delivery))
  }

  /** Waiting here for the rest of its last second. */
  parked(queue: string): readonly AmqpDelivery[] {
    return this.#inbox.waiting().filter((delivery) => delivery.info.queue === queue)
  }

  // --- settling ---------------------------------------------------------------------------------------------------------

  ack(delivery: AmqpDelivery): Promise<Settled> {
    if (!this.#ledger.has(delivery)) return Promise.resolve('lost')
    return new Promise((answer) => {
      this.#acks.push({ delivery, answer })
      // What is acknowledged in one turn of the event loop goes out in as few frames as possible.
      if (this.#acks.length === 1) setImmediate(() => this.#flushAcks())
    })
  }

  async reject(delivery: AmqpDelivery, requeue: boolean): Promise<Settled> {
    return this.#settleOne(delivery, (channel) => channel.nack(frameOf(delivery.tag), false, requeue))
  }

  async park(delivery: AmqpDelivery, untilMs: number): Promise<Settled> {
    if (!this.#ledger.has(delivery)) return 'lost'
    await this.#broker.sender.park(delivery.info.queue, delivery.raw, untilMs)
    return this.#settleOne(delivery, (channel) => channel.ack(frameOf(delivery.tag)))
  }

  async quarantine(delivery: AmqpDelivery, reason: string): Promise<Settled> {
    if (!this.#ledger.has(delivery)) return 'lost'
    await this.#quarantine.keep(delivery, reason)
    return this.#settleOne(delivery, (channel) => channel.ack(frameOf(delivery.tag)))
  }

  #settleOne(delivery: AmqpDelivery, send: (channel: Channel) => void): Settled {
    const channel = this.#channel
    if (!channel || !this.#ledger.has(delivery)) return 'lost'
    try {
      send(channel)
    } catch {
      // The channel ended in this very turn.
      return 'lost'
    }
    this.#ledger.remove(delivery)
    this.#inbox.settled(delivery)
    return 'ok'
  }

  #flushAcks(): void {
    const acks = this.#acks
    if (acks.length === 0) return
    this.#acks = []
    const channel = this.#channel
    const kept = acks.filter(({ delivery }) => this.#ledger.has(delivery))
    const plan = this.#ledger.settle(kept.map(({ delivery }) => delivery))
    let sent = channel !== undefined
    try {
      if (plan.upTo !== undefined) channel?.ack(frameOf(plan.upTo), true)
      for (const tag of plan.singles) channel?.ack(frameOf(tag))
    } catch {
      sent = false
    }
    const held = new Set(kept)
    for (const ack of acks) {
      this.#inbox.settled(ack.delivery)
      ack.answer(sent && held.has(ack) ? 'ok' : 'lost')
    }
  }

  // --- consuming --------------------------------------------------------------------------------------------------------

  async #consumeAll(): Promise<void> {
    if (this.#state !== 'open') return
    const { connection, topology } = this.#broker
    for (let attempt = 0; ; attempt++) {
      try {
        for (const queue of this.#gone) await topology.ensureQueue(queue)
        this.#gone.clear()
        const channel = this.#channel ?? (await this.#openChannel())
        this.#perConsumer ||= this.#queues.some((name) =>
          topology.find(name).some((one) => isReplicated(one.arguments)),
        )
        if (this.#queues.length > 1 && !this.#perConsumer) await channel.prefetch(this.#prefetch, true)
        await channel.prefetch(this.#prefetch, false)
        for (const queue of this.#queues) if (!this.#consumers.has(queue)) await this.#consume(channel, queue)
        this.#tries = 0
        return
      } catch (error) {
        if (attempt >= 3 || !(await this.#remedied(error))) throw amqpError(error, connection.url)
      }
    }
  }

  /** The broker told what it cannot do or does not have; the next attempt goes another way. */
  async #remedied(error: unknown): Promise<boolean> {
    const { connection, topology } = this.#broker
    if (codeOf(error) === replyCode.notFound) {
      for (const queue of this.#queues) await topology.ensureQueue(queue)
      return true
    }
    // A quorum queue that somebody else declared: the broker ends the whole connection over it.
    const refusesChannelPrefetch = /global[ _]qos/i.test(String(connection.consuming.cause))
    if (this.#perConsumer || !refusesChannelPrefetch) return false
    this.#perConsumer = true
    await connection.consuming.whenReady()
    return true
  }

  async #openChannel(): Promise<Channel> {
    const channel = await this.#broker.connection.consuming.openChannel()
    let cause: Error | undefined
    channel.on('error', (error) => {
      cause = error
    })
    channel.once('close', () => this.#onChannelClosed(channel, cause))
    this.#channel = channel
    return channel
  }

  async #consume(channel: Channel, queue: string): Promise<void> {
    const { consumerTag } = await channel.consume(queue, (message) => {
      if (this.#channel !== channel) return
      if (message) this.#take(queue, message)
      else this.#cancelled(queue)
    })
    this.#consumers.set(queue, consumerTag)
  }

  async #cancelAll(channel: Channel): Promise<void> {
    const tags = [...this.#consumers.values()]
    this.#consumers.clear()
    for (const tag of tags) await channel.cancel(tag)
  }

  #take(queue: string, message: ConsumeMessage): void {
    const { raw, dueMs, earlierDeliveries } = fromAmqp(message.content, message.properties)
    const { exchange, routingKey, redelivered, deliveryTag } = message.fields
    const delayed = exchange === delayedDelivery ? delayedFor(routingKey) : undefined
    const delivery = new AmqpDelivery(this, {
      raw,
      info: {
        queue,
        exchange: delayed === undefined ? exchange : '',
        routingKey: delayed ?? routingKey,
        priority: raw.properties.priority ?? 0,
        redelivered,
        deliveries: (earlierDeliveries ?? (redelivered ? 1 : 0)) + 1,
      },
      tag: deliveryTag,
      dueMs,
    })
    this.#ledger.add(delivery)
    this.#inbox.take(delivery)
    if (dueMs !== undefined && dueMs - this.#broker.clock.now() > waitHereMs) this.#sendOnItsWay(delivery, dueMs)
  }

  /** It came through an exchange that does not delay, or past a clock that goes wrong. */
  #sendOnItsWay(delivery: AmqpDelivery, dueMs: number): void {
    delivery.park(dueMs).catch((error: unknown) => {
      this.#broker.logger.warn(
        `A message that is due later could not be put back; it waits here, in the prefetch: ${String(error)}`,
      )
    })
  }

  // --- what the broker takes away -----------------------------------------------------------------------------------------

  /** The queue was deleted, or its node went away. */
  #cancelled(queue: string): void {
    this.#consumers.delete(queue)
    this.#gone.add(queue)
    if (this.#state !== 'open' || !this.#queues.includes(queue)) return
    this.#broker.logger.warn(
      `RabbitMQ ended the consumer of queue '${queue}': it was deleted or moved. Making it again.`,
    )
    this.#recoverLater()
  }

  #onChannelClosed(channel: Channel, cause: Error | undefined): void {
    if (this.#channel !== channel) return
    const lost = this.#loseAll()
    if (this.#state === 'closed' || this.#broker.connection.consuming.state !== 'ready') return
    if (cause && !expected.test(cause.message)) {
      const advice = /timed out/.test(cause.message)
        ? ' A task ran longer than consumer_timeout of the broker (30 minutes): raise it there, or acknowledge early.'
        : ''
      this.#broker.logger.error(
        `RabbitMQ closed the channel (${cause.message}); ${lost} held messages are delivered again.${advice}`,
      )
    }
    this.#recoverLater()
  }

  #loseAll(): number {
    this.#channel = undefined
    this.#consumers.clear()
    this.#inbox.clear()
    const lost = this.#ledger.clear()
    for (const delivery of lost) delivery.lose()
    for (const ack of this.#acks.splice(0)) ack.answer('lost')
    return lost.length
  }

  #recoverLater(): void {
    const { clock, connection, logger } = this.#broker
    this.#retry?.cancel()
    const pauseMs = Math.min(longestRetryMs, firstRetryMs * 2 ** this.#tries++)
    this.#retry = clock.timer(pauseMs, () => {
      if (this.#state !== 'open' || connection.consuming.state !== 'ready') return
      this.recover().catch((error: unknown) => {
        logger.error(`Cannot consume ${this.#queues.join(', ')} yet; trying again: ${String(error)}`)
        if (error instanceof ChannelError || connection.consuming.state === 'ready') this.#recoverLater()
      })
    })
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work)
    this.#last = done.catch(() => undefined)
    return done
  }

  /** A channel that breaks meanwhile is opened again by its own event. */
  #background(work: () => Promise<void>): void {
    this.#inTurn(work).catch((error: unknown) => {
      this.#broker.logger.debug(`The consumer of ${this.#queues.join(', ')} was interrupted: ${String(error)}`)
    })
  }

  #closedError(): ConnectionError {
    return new ConnectionError('This subscription was closed. Subscribe again.')
  }
}

// What `#remedied` deals with.
const expected = /NOT_FOUND|global[ _]qos/

/** amqplib wants the whole message to settle it, and looks at its tag. */
function frameOf(deliveryTag: number): Message {
  return { content: nothing, properties: noProperties, fields: { ...noFields, deliveryTag } }
}

const nothing = Buffer.alloc(0)
const noFields = { redelivered: false, exchange: '', routingKey: '' }
const noProperties = {
  contentType: undefined,
  contentEncoding: undefined,
  headers: undefined,
  deliveryMode: undefined,
  priority: undefined,
  correlationId: undefined,
  replyTo: undefined,
  expiration: undefined,
  messageId: undefined,
  timestamp: undefined,
  type: undefined,
  userId: undefined,
  appId: undefined,
  clusterId: undefined,
}
