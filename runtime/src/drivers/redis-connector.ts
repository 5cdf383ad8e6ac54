import { type Socket, Socket as TcpSocket, connect as connectPlain } from 'node:net'
import { connect as connectSecure } from 'node:tls'
import { AbstractConnector } from 'ioredis'
import type { RedisLocator } from './redis-locator.ts'
import type { RedisNode } from './redis-url.ts'
import { tlsSocketOptions } from './tls.ts'

const disconnectTimeoutMs = 2000

/** What ioredis asks for a socket at each connect and reconnect. */
export class RedisConnector extends AbstractConnector {
  readonly #locator: RedisLocator
  readonly #onNode: (node: RedisNode) => void

  /** `onNode` is told where each try leads. */
  constructor(locator: RedisLocator, onNode: (node: RedisNode) => void) {
    super(disconnectTimeoutMs)
    this.#locator = locator
    this.#onNode = onNode
  }

  async connect(): Promise<Socket> {
    this.connecting = true
    try {
      const { tls } = this.#locator.address
      const node = await this.#locator.locate()
      if (!this.connecting) return this.#failed(new Error('the connection was closed'))
      const { host, port, path } = node
      const where = path === undefined ? { host, port } : { path }
      const stream = tls ? connectSecure({ ...where, ...tlsSocketOptions(tls, host, 'Redis') }) : connectPlain(where)
      stream.once('error', (error: Error) => {
        this.firstError = error
      })
      this.#onNode(node)
      this.stream = stream
      return stream
    } catch (error) {
      return this.#failed(error instanceof Error ? error : new Error(String(error)))
    }
  }

  /** Told by INFO when a server is there. */
  override check(info: { readonly role?: string | undefined }): boolean {
    return !this.#locator.mastersOnly || info.role === undefined || info.role === 'master'
  }

  /** A socket that is closed already: were this to reject, ioredis would never try again. */
  #failed(error: Error): Socket {
    this.firstError = error
    const stream = new TcpSocket()
    stream.destroy()
    this.stream = stream
    return stream
  }
}

export function isSameNode(one: RedisNode | undefined, other: RedisNode | undefined): boolean {
  return one?.host === other?.host && one?.port === other?.port && one?.path === other?.path
}
