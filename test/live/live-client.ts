import { onTestFinished } from 'vitest'
import { type ClientOptions, WebSocket } from 'ws'
import type { Tq } from '../../runtime/src/index.ts'
import { type LiveMessage, type LiveOptions, type LiveServer, serveLive } from '../../runtime/src/live.ts'

export const token = 'a token of the tests'

/** A live server on a free port; it ends with the app. */
export function live(app: Tq, options: Partial<LiveOptions> = {}): Promise<LiveServer> {
  return serveLive(app, { port: 0, token, ...options })
}

/** What a WebSocket client of a test heard. */
export interface Listener {
  readonly socket: WebSocket
  readonly messages: LiveMessage[]
  say(message: unknown): void
  /** The next message that fits, those already there included; each is given once. */
  next<T extends LiveMessage['type']>(
    type: T,
    fits?: (message: Extract<LiveMessage, { type: T }>) => boolean,
  ): Promise<Extract<LiveMessage, { type: T }>>
  /** How the connection ended: the close code and reason, or the HTTP status that refused it. */
  readonly ended: Promise<{ readonly code: number; readonly reason: string }>
}

/** Connects; says hello with the token unless a header does. */
export function listen(server: LiveServer, options: ClientOptions & { readonly hello?: unknown } = {}): Listener {
  const { hello = { type: 'hello', token }, ...socketOptions } = options
  const socket = new WebSocket(`${server.url.replace('http', 'ws')}/live`, socketOptions)
  onTestFinished(() => socket.terminate())
  const messages: LiveMessage[] = []
  const unread: LiveMessage[] = []
  let wake = (): void => {}
  const ended = Promise.withResolvers<{ code: number; reason: string }>()
  socket.on('open', () => {
    if (hello !== null) socket.send(JSON.stringify(hello))
  })
  socket.on('message', (data: Buffer) => {
    const message = JSON.parse(data.toString()) as LiveMessage // what the server promises
    messages.push(message)
    unread.push(message)
    wake()
  })
  socket.on('close', (code, reason) => ended.resolve({ code, reason: reason.toString() }))
  socket.on('unexpected-response', (_, response) => {
    response.resume()
    ended.resolve({ code: response.statusCode ?? 0, reason: response.statusMessage ?? '' })
  })
  socket.on('error', () => {}) // told by `ended`
  return {
    socket,
    messages,
    ended: ended.promise,
    say: (message) => socket.send(typeof message === 'string' ? message : JSON.stringify(message)),
    next: async (type, fits = () => true) => {
      for (;;) {
        const at = unread.findIndex((one) => one.type === type && fits(one as never)) // of that type, as just compared
        if (at >= 0) return unread.splice(at, 1)[0] as never // as above
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
    },
  }
}
