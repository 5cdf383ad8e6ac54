import type { Channel } from 'amqplib'

/**
 * Closes a channel and resolves when it is closed, whoever did it. amqplib's own promise stays open for ever when the connection
 * breaks before the server has answered. Source: amqplib 2.3, channel.js, `toClosing` and `toClosed`: only CloseOk continues.
 */
export function closeChannel(channel: Channel): Promise<void> {
  return new Promise((resolve) => {
    channel.once('close', () => resolve())
    // Rejects where it is closed already.
    channel.close().then(resolve, () => resolve())
  })
}

/**
 * What `ask` gives, or a rejection once the channel is gone: a `get` whose message was cut off in its middle is never settled by
 * amqplib (channel_model.js, `get`: the reply has come, the content has not).
 */
export function whileOpen<T>(channel: Channel, ask: (channel: Channel) => Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    let cause: Error | undefined
    channel.once('error', (error: Error) => {
      cause = error
    })
    // What the call itself says of it is worth more, and is about to come.
    channel.once('close', () => setImmediate(() => reject(cause ?? new Error('the channel was closed'))))
    ask(channel).then(resolve, reject)
  })
}
