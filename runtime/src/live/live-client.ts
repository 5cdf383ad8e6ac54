import type { WebSocket } from 'ws'
import type { TqApp } from '../app/tq.ts'
import type { Timer } from '../core/clock.ts'
import { version } from '../core/version.ts'
import type { ClusterFeed } from './cluster-feed.ts'
import { closeCodes, frameOf, type LiveFault, type LiveRequest, readRequest, taskFrame } from './protocol.ts'

/** What one client may cost. */
export interface ClientLimits {
  readonly maxWatches: number
  readonly maxBufferedBytes: number
  readonly maxMessageBytes: number
  readonly heartbeatMs: number
}

export interface ClientDeps {
  readonly app: TqApp
  readonly feed: ClusterFeed
  readonly limits: ClientLimits
  /** Compares without telling by its time how much was right. */
  readonly isToken: (given: string) => boolean
}

const helloMs = 5000
/** For the goodbye to arrive; then the connection is cut. */
const goodbyeMs = 2000
const requestsPerSecond = 100

/** One connection. States: greeting (only `hello` counts, for 5 s) -> open -> closed. */
export class LiveClient {
  readonly #socket: WebSocket
  readonly #deps: ClientDeps
  readonly #tasks = new Map<string, AbortController>()
  readonly #timers: Timer[] = []
  #state: 'greeting' | 'open' | 'closed' = 'greeting'
  #answered = true
  #requests = 0

  constructor(socket: WebSocket, deps: ClientDeps, authorized: boolean) {
    this.#socket = socket
    this.#deps = deps
    socket.on('message', (data, isBinary) => this.#onFrame(isBinary ? '' : textOf(data)))
    socket.on('pong', () => {
      this.#answered = true
    })
    socket.on('close', () => this.#ended())
    socket.on('error', () => socket.terminate()) // a broken or oversized frame: `ws` has said so to the client
    const { clock } = deps.app
    this.#timers.push(
      clock.interval(deps.limits.heartbeatMs, () => this.#beat()),
      clock.interval(1000, () => {
        this.#requests = 0
      }),
    )
    if (authorized) this.#open()
    else {
      this.#timers.push(
        clock.timer(helloMs, () => {
          if (this.#state === 'greeting') this.close(closeCodes.silent, 'no hello with a token came within 5 s')
        }),
      )
    }
  }

  /** Says why, and cuts the connection when the client does not answer. Idempotent. */
  close(code: number, reason: string): void {
    if (this.#state === 'closed') return
    this.#ended()
    this.#socket.close(code, reason)
    const cut = this.#deps.app.clock.timer(goodbyeMs, () => this.#socket.terminate())
    this.#socket.once('close', () => cut.cancel())
  }

  /** Without a goodbye. */
  terminate(): void {
    this.#ended()
    this.#socket.terminate()
  }

  #open(): void {
    this.#state = 'open'
    this.#send(frameOf({ type: 'ready', app: this.#deps.app.main, version }))
  }

  #ended(): void {
    this.#state = 'closed'
    for (const timer of this.#timers) timer.cancel()
    for (const watching of this.#tasks.values()) watching.abort()
    this.#tasks.clear()
    void this.#deps.feed.unwatch(this)
  }

  #beat(): void {
    if (!this.#answered) return this.terminate()
    this.#answered = false
    this.#socket.ping()
  }

  #onFrame(text: string): void {
    if (this.#state === 'closed') return
    if (++this.#requests > requestsPerSecond) {
      return this.close(closeCodes.broken, `more than ${requestsPerSecond} messages in a second`)
    }
    const request = readRequest(text)
    if (this.#state === 'greeting') return this.#greet(request)
    if (typeof request === 'string') return this.#fault('bad-message', request)
    switch (request.type) {
      case 'hello':
        return // said twice, or beside the header
      case 'watch-task':
        return this.#watchTask(request.id)
      case 'unwatch-task':
        this.#tasks.get(request.id)?.abort()
        return
      case 'watch-cluster':
        return this.#watchCluster()
      case 'unwatch-cluster':
        void this.#deps.feed.unwatch(this)
        return
      default:
        request satisfies never
    }
  }

  #greet(request: LiveRequest | string): void {
    const right = typeof request !== 'string' && request.type === 'hello' && this.#deps.isToken(request.token)
    if (right) this.#open()
    else this.close(closeCodes.refused, 'the first message is to be hello with the right token')
  }

  #watchTask(id: string): void {
    if (this.#tasks.has(id)) return
    if (this.#tasks.size >= this.#deps.limits.maxWatches) {
      return this.#fault(
        'too-many-watches',
        `no more than ${this.#deps.limits.maxWatches} tasks are watched at once`,
        id,
      )
    }
    const watching = new AbortController()
    this.#tasks.set(id, watching)
    void this.#follow(id, watching)
  }

  async #follow(id: string, watching: AbortController): Promise<void> {
    const { app, limits } = this.#deps
    try {
      for await (const meta of app.result(id).updates({ signal: watching.signal })) {
        if (watching.signal.aborted) break
        this.#send(taskFrame(meta, limits.maxMessageBytes))
      }
    } catch (error) {
      if (watching.signal.aborted) return
      app.logger.warn(`Live results of task ${id} ended: the result backend failed.`, { error })
      this.#fault('unavailable', 'the result backend failed; watch the task again', id)
    } finally {
      if (this.#tasks.get(id) === watching) this.#tasks.delete(id)
    }
  }

  #watchCluster(): void {
    const { app, feed } = this.#deps
    feed
      .watch(this, (frame) => this.#send(frame))
      .catch((error: unknown) => {
        app.logger.warn('Live outcomes cannot be shown: the broker does not let its events be heard.', { error })
        this.#fault('unavailable', 'the broker does not let its events be heard; watch again')
      })
  }

  #fault(code: LiveFault, message: string, id?: string): void {
    this.#send(frameOf({ type: 'error', code, message, id }))
  }

  // What a client does not read waits in this process's memory, so there is an end to it.
  #send(frame: string): void {
    if (this.#state === 'closed') return
    if (this.#socket.bufferedAmount > this.#deps.limits.maxBufferedBytes) {
      return this.close(closeCodes.slow, 'too slow: more waits to be read than is kept; connect again')
    }
    this.#socket.send(frame)
  }
}

function textOf(data: unknown): string {
  if (Buffer.isBuffer(data)) return data.toString('utf8')
  return Array.isArray(data) ? Buffer.concat(data as Buffer[]).toString('utf8') : '' // `ws` gives fragments as Buffers
}
