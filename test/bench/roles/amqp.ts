import { type ChannelModel, type ConfirmChannel, connect, type Message, type Options } from 'amqplib'
import { type Mark, ownMark, serve } from '../role.ts'

const queue = 'celery'

let connection: ChannelModel
let channel: ConfirmChannel
let sample: { readonly body: Buffer; readonly options: Options.Publish } | undefined

serve({
  open: async (url: string) => {
    connection = await connect(url, { noDelay: true })
    channel = await connection.createConfirmChannel()
  },
  /** Keeps the first message of the queue, to publish the same; gives back how many there are. */
  look: async () => {
    const message = await channel.get(queue, { noAck: false })
    if (message === false) throw new Error('The queue is empty.')
    const { headers, contentType, contentEncoding, deliveryMode, correlationId, replyTo } = message.properties
    const options = { headers, contentType, contentEncoding, persistent: deliveryMode === 2, correlationId, replyTo }
    sample = { body: message.content, options }
    channel.nack(message, false, true)
    return (await channel.checkQueue(queue)).messageCount
  },
  /** Published with a confirm, one in flight. */
  publish: async ({ count }: { count: number }) => {
    const { body, options } = sample ?? { body: Buffer.alloc(0), options: {} }
    const begin = ownMark()
    for (let at = 0; at < count; at++) {
      await new Promise<void>((done, fail) => {
        channel.publish('', queue, body, options, (error: unknown) =>
          error ? fail(error instanceof Error ? error : new Error('refused')) : done(),
        )
      })
    }
    return (count * 1000) / (ownMark().atMs - begin.atMs)
  },
  /** One consumer at prefetch 100 that acknowledges each message by itself. Timed from `warmAt` messages on. */
  consume: async ({ count, warmAt }: { count: number; warmAt: number }) => {
    await channel.prefetch(100)
    const ended = Promise.withResolvers<void>()
    let seen = 0
    let begin: Mark | undefined
    const { consumerTag } = await channel.consume(queue, (message: Message | null) => {
      if (!message) return
      if (++seen === warmAt) begin = ownMark()
      channel.ack(message)
      if (seen === count) ended.resolve()
    })
    await ended.promise
    const end = ownMark()
    await channel.cancel(consumerTag)
    const from = begin ?? end
    const timed = count - warmAt
    return { perSecond: (timed * 1000) / (end.atMs - from.atMs), cpuUs: (end.cpuUs - from.cpuUs) / timed }
  },
  ready: async () => (await channel.checkQueue(queue)).messageCount,
  purge: async () => {
    await channel.purgeQueue(queue)
  },
  close: () => connection.close(),
})
