import { createHash, timingSafeEqual } from 'node:crypto'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import { isIP } from 'node:net'
import type { Duplex } from 'node:stream'
import { WebSocketServer } from 'ws'
import type { TqApp } from '../app/tq.ts'
import { ConnectionError, SettingError } from '../core/errors.ts'
import { ClusterFeed } from './cluster-feed.ts'
import { LiveClient } from './live-client.ts'
import { servePage } from './page.ts'
import { closeCodes } from './protocol.ts'

/** Where the live server listens, whom it lets in, and what a client may cost. */
export interface LiveOptions {
  /** 0 takes a free one. */
  readonly port: number
  /** Default 127.0.0.1: this machine alone. TLS is a proxy's to add. */
  readonly host?: string | undefined
  /** What a client has to know; at least 16 characters. Whoever has it sees every task and result. */
  readonly token: string
  /**
   * Origins of web pages that may connect, beside the server's own page: `https://live.example.com`. Behind a proxy its origin
   * belongs here. Programs that are no browsers send none and need only the token.
   */
  readonly origins?: readonly string[] | undefined
  /** Connections at once, those without a token yet included. Default 100. */
  readonly maxConnections?: number | undefined
  /** Tasks that one connection watches at once. Default 1000. */
  readonly maxWatches?: number | undefined
  /** What may wait to be read by one client, in bytes; a slower one is told and dropped. Default 1 MB. */
  readonly maxBufferedBytes?: number | undefined
  /** Largest message about one task; the size stands in place of a larger result. Default 1 MB. */
  readonly maxMessageBytes?: number | undefined
  /** A client that answers no ping within this time is dropped. Default 15,000. */
  readonly heartbeatMs?: number | undefined
}

/** A live server that listens. */
export interface LiveServer {
  /** Where the page is: `http://127.0.0.1:5566`. WebSockets connect to `/live` there. */
  readonly url: string
  readonly port: number
  /** How many clients are connected. */
  readonly connections: number
  /** Says goodbye to all clients. Idempotent; `app.close()` does it, too. */
  close(): Promise<void>
}

/**
 * Serves results as they come: a WebSocket at `/live` and one page that shows them. It stands on `result.updates()` and on the
 * events of the workers, and writes nothing. Rejects with SettingError, or ConnectionError where the port is taken.
 */
export async function serveLive(app: TqApp, options: LiveOptions): Promise<LiveServer> {
  const server = new Live(app, options)
  await server.listen()
  app.onClose(() => server.close())
  return server
}

const shortestToken = 16
/** Requests are a few words; results only go out. */
const largestRequest = 16_384
const closeMs = 3000

class Live implements LiveServer {
  readonly #app: TqApp
  readonly #options: LiveOptions
  readonly #host: string
  readonly #http: Server
  readonly #sockets: WebSocketServer
  readonly #feed: ClusterFeed
  readonly #clients = new Set<LiveClient>()
  readonly #tokenHash: Buffer
  #origins: ReadonlySet<string> = new Set()
  #port = 0
  #closing: Promise<void> | undefined

  constructor(app: TqApp, options: LiveOptions) {
    this.#app = app
    this.#options = options
    this.#host = options.host ?? '127.0.0.1'
    this.#tokenHash = hash(checked(options).token)
    this.#feed = new ClusterFeed(app)
    this.#http = createServer({ headersTimeout: 10_000, requestTimeout: 10_000, keepAliveTimeout: 5000 }, servePage)
    // Beside the sockets some requests for the page; the rest waits in the kernel.
    this.#http.maxConnections = this.#maxConnections + 64
    this.#http.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head))
    this.#sockets = new WebSocketServer({ noServer: true, maxPayload: largestRequest, perMessageDeflate: false })
  }

  get url(): string {
    return `http://${bracketed(this.#host)}:${this.#port}`
  }

  get port(): number {
    return this.#port
  }

  get connections(): number {
    return this.#clients.size
  }

  get #maxConnections(): number {
    return this.#options.maxConnections ?? 100
  }

  async listen(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.#http.once('error', reject)
    this.#http.listen(this.#options.port, this.#host, resolve)
    try {
      await promise
    } catch (error) {
      const said = error instanceof Error ? error.message : String(error)
      throw new ConnectionError(
        `Cannot listen on ${bracketed(this.#host)}:${this.#options.port} (${said}). Name another port, or 0 for a free one.`,
        { cause: error },
      )
    }
    this.#http.removeListener('error', reject)
    this.#http.on('error', (error) => this.#app.logger.warn('The live server met an error; it goes on.', { error }))
    const address = this.#http.address()
    if (typeof address === 'object' && address !== null) this.#port = address.port
    this.#origins = new Set([...ownOrigins(this.#host, this.#port), ...(this.#options.origins ?? [])])
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    const closed = Promise.withResolvers<void>()
    this.#http.close(() => closed.resolve())
    for (const client of this.#clients) client.close(closeCodes.goingAway, 'the server ends')
    this.#http.closeIdleConnections()
    const cut = this.#app.clock.timer(
      closeMs,
      () => {
        for (const client of this.#clients) client.terminate()
        this.#http.closeAllConnections()
      },
      { ref: true },
    )
    await closed.promise
    cut.cancel()
    await this.#feed.close()
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', () => socket.destroy())
    const refusal = this.#refusal(request)
    if (refusal !== undefined) {
      socket.end(`HTTP/1.1 ${refusal}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`)
      return
    }
    this.#sockets.handleUpgrade(request, socket, head, (opened) => {
      const { maxWatches = 1000, maxBufferedBytes = 1_000_000, maxMessageBytes = 1_000_000 } = this.#options
      const limits = { maxWatches, maxBufferedBytes, maxMessageBytes, heartbeatMs: this.#options.heartbeatMs ?? 15_000 }
      const isToken = (given: string): boolean => this.#isToken(given)
      const authorized = request.headers.authorization !== undefined
      const client = new LiveClient(opened, { app: this.#app, feed: this.#feed, limits, isToken }, authorized)
      this.#clients.add(client)
      opened.once('close', () => this.#clients.delete(client))
    })
  }

  /** Undefined for a connection that may be opened; what it may see is for its token to say. */
  #refusal(request: IncomingMessage): string | undefined {
    if (request.url?.split('?')[0] !== '/live') return '404 Not Found'
    const { origin, authorization } = request.headers
    // Browsers always say whose page it is; without this any page could try tokens on its visitor's machine.
    if (origin !== undefined && !this.#origins.has(origin)) return '403 Forbidden'
    if (authorization !== undefined && !this.#isToken(/^Bearer (.*)$/i.exec(authorization)?.[1] ?? '')) {
      return '401 Unauthorized'
    }
    if (this.#closing || this.#clients.size >= this.#maxConnections) return '503 Service Unavailable'
    return undefined
  }

  // Hashes have one length, and comparing them tells nothing of the token.
  #isToken(given: string): boolean {
    return timingSafeEqual(hash(given), this.#tokenHash)
  }
}

function hash(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

function checked(options: LiveOptions): LiveOptions {
  const { port, token, origins = [] } = options
  if (typeof token !== 'string' || token.length < shortestToken) {
    throw new SettingError(
      `expected the token of the live server to be a text of at least ${shortestToken} characters: whoever has it sees every result`,
    )
  }
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    throw new SettingError(`expected the port of the live server to be 0 to 65535, got ${port}`)
  }
  for (const origin of origins) {
    if (URL.canParse(origin) && new URL(origin).origin === origin) continue
    throw new SettingError(`expected an origin such as https://live.example.com, without a path, got '${origin}'`)
  }
  return options
}

/** Names by which a browser on this machine reaches the page. Bound to an outer address, other names are for `origins` to give. */
function ownOrigins(host: string, port: number): readonly string[] {
  const loopback =
    host === 'localhost' || host === '::1' || host.startsWith('127.') || host === '0.0.0.0' || host === '::'
  const names = loopback ? [bracketed(host), 'localhost', '127.0.0.1', '[::1]'] : [bracketed(host)]
  return names.map((name) => `http://${name}${port === 80 ? '' : `:${port}`}`)
}

function bracketed(host: string): string {
  return isIP(host) === 6 ? `[${host}]` : host
}
