import type { ConfirmChannel, Message, Options } from 'amqplib'
import { ChannelError } from '../core/errors.ts'
import { amqpError, codeOf, replyCode } from './amqp-errors.ts'
import type { AmqpLink } from './amqp-link.ts'

/** One message on its way to an exchange. */
export interface AmqpOutgoing {
  readonly exchange: string
  readonly routingKey: string
  readonly content: Buffer
  readonly options: Options.Publish
}

/** A channel and, once the server has closed it, why. */
interface OpenChannel {
  readonly channel: ConfirmChannel
  refusal: Error | undefined
}

/** Sent at most before the first confirmation is waited for: the memory of both sides is not without end. */
const inFlightLimit = 5000

/**
 * Publishes with confirmations on one channel, which is opened with the first message and again when it was lost. Batches of
 * several callers are in flight at once.
 */
export class AmqpPublisher {
  readonly #link: AmqpLink
  #open: Promise<OpenChannel> | undefined
  #inFlight = 0
  readonly #returned = new Set<(message: Message) => void>()
  #roomWaiters: (() => void)[] = []

  constructor(link: AmqpLink) {
    this.#link = link
  }

  /**
   * Resolves when the broker has all of it, with those messages that were sent as `mandatory` and reached no queue. Rejects
   * with ConnectionError (then any part of the batch may have arrived) or ChannelError.
   */
  async publish(batch: readonly AmqpOutgoing[]): Promise<readonly AmqpOutgoing[]> {
    if (batch.length === 0) return []
    const opened = await this.#channel()
    const open = new Set<AmqpOutgoing>(batch.filter(({ options }) => options.mandatory === true))
    const homeless: AmqpOutgoing[] = []
    const onReturn = (message: Message): void => {
      for (const sent of open) {
        if (!isCopy(message, sent)) continue
        open.delete(sent)
        homeless.push(sent)
        return
      }
    }
    if (open.size > 0) this.#returned.add(onReturn)
    try {
      await this.#sendAll(opened.channel, batch)
    } catch (error) {
      throw amqpError(isAbout(opened.refusal, batch) ? opened.refusal : error, this.#link.url)
    } finally {
      this.#returned.delete(onReturn)
    }
    return homeless
  }

  async #sendAll(channel: ConfirmChannel, batch: readonly AmqpOutgoing[]): Promise<void> {
    let unconfirmed = 0
    let failure: unknown
    let sent = false
    let finish: () => void = () => {}
    const all = new Promise<void>((resolve) => {
      finish = resolve
    })
    const onConfirm = (error: unknown): void => {
      failure ??= error ?? undefined
      this.#inFlight--
      for (const wake of this.#roomWaiters.splice(0)) wake()
      if (--unconfirmed === 0 && sent) finish()
    }
    for (const { exchange, routingKey, content, options } of batch) {
      while (this.#inFlight >= inFlightLimit && failure === undefined) {
        await new Promise<void>((resolve) => this.#roomWaiters.push(resolve))
      }
      if (failure !== undefined) break
      try {
        channel.publish(exchange, routingKey, content, options, onConfirm)
      } catch (error) {
        // Too large a header, or the channel is gone: this one was not sent, those before it were.
        failure = error
        break
      }
      unconfirmed++
      this.#inFlight++
    }
    sent = true
    if (unconfirmed > 0) await all
    if (failure === undefined) return
    throw isNack(failure) ? new ChannelError(`RabbitMQ at ${this.#link.url} refused a message: ${refusal}`) : failure
  }

  #channel(): Promise<OpenChannel> {
    if (this.#link.state === 'closed' || this.#link.state === 'lost') this.#open = undefined
    this.#open ??= this.#openNew().catch((error: unknown) => {
      this.#open = undefined
      throw error
    })
    return this.#open
  }

  async #openNew(): Promise<OpenChannel> {
    const channel = await this.#link.openConfirmChannel()
    const opened: OpenChannel = { channel, refusal: undefined }
    channel.on('error', (error) => {
      opened.refusal = error
    })
    channel.on('return', (message) => {
      for (const hear of this.#returned) hear(message)
    })
    channel.once('close', () => {
      this.#open = undefined
    })
    return opened
  }
}

const refusal = 'the queue is full (x-max-length with reject-publish). Consume faster or raise its limit.'

/** A missing exchange is the fault of those who publish to it; the others on the channel only lost their connection. */
function isAbout(refusal: Error | undefined, batch: readonly AmqpOutgoing[]): boolean {
  if (!refusal) return false
  if (codeOf(refusal) !== replyCode.notFound) return true
  return batch.some(({ exchange }) => refusal.message.includes(`'${exchange}'`))
}

function isNack(error: unknown): boolean {
  return error instanceof Error && error.message === 'message nacked'
}

function isCopy(message: Message, sent: AmqpOutgoing): boolean {
  return (
    message.fields.routingKey === sent.routingKey &&
    message.fields.exchange === sent.exchange &&
    message.properties.correlationId === sent.options.correlationId &&
    message.content.length === sent.content.length
  )
}
