import type { Clock, Timer } from '../core/clock.ts'
import { ConnectionError, TqError } from '../core/errors.ts'
import { randomId } from '../core/id.ts'
import { type Deferred, deferred } from '../core/lifecycle.ts'
import type { Logger } from '../core/logger.ts'
import type { RawMessage } from '../core/message.ts'
import type { Listening, Transport } from '../transports/transport.ts'
import {
  type ControlReply,
  controlExchange,
  decodeReply,
  encodeRequest,
  type Matcher,
  replyExchange,
  replyQueue,
} from '../wire/control-dict.ts'
import type { LogicalClock } from './serve-mailbox.ts'

export { type CommandHandler, type LogicalClock, type ServeMailboxDeps, serveMailbox } from './serve-mailbox.ts'

export interface MailboxDeps {
  /** The transport, or a function that connects it: asked by the first command. */
  readonly transport: Transport | (() => Promise<Transport>)
  readonly clock: Clock
  readonly lamport: LogicalClock
  readonly logger: Logger
  /** Name of the reply address; default a random UUID. */
  readonly oid?: string | undefined
}

/** Which workers a command is for; default all. */
export interface CastOptions {
  /** Node names; absent: all, or those that match `pattern`. */
  readonly destination?: readonly string[] | undefined
  readonly pattern?: string | undefined
  /** How `pattern` is read; default `glob`. */
  readonly matcher?: Matcher | undefined
}

/** Which workers are asked, and how long their answers are waited for. */
export interface CallOptions extends CastOptions {
  /** How long to wait for the first reply and after each further one; default 1000. */
  readonly timeoutMs?: number | undefined
  /** Enough replies; default the number of destinations, without them no limit. */
  readonly limit?: number | undefined
  /** Sees each reply when it comes, before the waiting for further ones ends. */
  readonly onReply?: ((reply: ControlReply) => void) | undefined
}

const defaultTimeoutMs = 1000

/** Sends commands to workers and collects what they answer. The reply address is opened by the first call and kept until close. */
export class Mailbox {
  readonly #deps: MailboxDeps
  readonly #oid: string
  readonly #calls = new Map<string, Collector>()
  #listening: Promise<Listening> | undefined
  #closed = false

  constructor(deps: MailboxDeps) {
    this.#deps = deps
    this.#oid = deps.oid ?? randomId()
  }

  /** Resolves when the broker has the command; nobody answers. */
  async cast(command: string, args: Readonly<Record<string, unknown>> = {}, options: CastOptions = {}): Promise<void> {
    await this.#broadcast(command, args, options, undefined, 0)
  }

  /** The replies in the order in which they came; an empty list when nobody answered in time. */
  async call(
    command: string,
    args: Readonly<Record<string, unknown>> = {},
    options: CallOptions = {},
  ): Promise<readonly ControlReply[]> {
    const { timeoutMs = defaultTimeoutMs } = options
    const named = options.destination?.length ? new Set(options.destination).size : Infinity
    await this.#openReplies()
    const ticket = randomId()
    const collector = new Collector(this.#deps.clock, timeoutMs, options.limit ?? named, options.onReply)
    this.#calls.set(ticket, collector)
    try {
      await this.#broadcast(command, args, options, ticket, timeoutMs)
      collector.start()
      return await collector.replies
    } finally {
      collector.finish()
      this.#calls.delete(ticket)
    }
  }

  /** As `rest`, and no call is taken any more. */
  close(): Promise<void> {
    this.#closed = true
    return this.rest()
  }

  /** Gives up the reply address; open calls resolve with what they have, and a later one opens another. */
  async rest(): Promise<void> {
    for (const collector of this.#calls.values()) collector.finish()
    const listening = this.#listening
    this.#listening = undefined
    try {
      await (await listening)?.close()
    } catch (error) {
      this.#deps.logger.debug(`Could not close the reply address of ${this.#oid}; the broker drops it by itself.`, {
        error,
      })
    }
  }

  async #broadcast(
    command: string,
    args: Readonly<Record<string, unknown>>,
    options: CastOptions,
    ticket: string | undefined,
    timeoutMs: number,
  ): Promise<void> {
    const { lamport, clock } = this.#deps
    const transport = await this.#transport()
    const message = encodeRequest({
      method: command,
      args,
      destination: options.destination,
      pattern: options.pattern,
      matcher: options.pattern === undefined ? undefined : (options.matcher ?? 'glob'),
      ticket,
      replyTo: ticket === undefined ? undefined : { exchange: replyExchange, routingKey: this.#oid },
      clock: lamport.forward(),
      expiresMs: ticket === undefined ? undefined : clock.now() + timeoutMs,
    })
    await transport.broadcast(controlExchange, message)
  }

  async #openReplies(): Promise<void> {
    if (this.#closed) throw new ConnectionError('Remote control is closed: no further commands can be sent.')
    const opening = (this.#listening ??= this.#listen())
    try {
      await opening
    } catch (error) {
      if (this.#listening === opening) this.#listening = undefined
      throw error
    }
  }

  async #listen(): Promise<Listening> {
    const transport = await this.#transport()
    return transport.listen(replyExchange, { pattern: this.#oid, replyQueue: replyQueue(this.#oid) }, (message) =>
      this.#onReply(message),
    )
  }

  async #transport(): Promise<Transport> {
    const { transport } = this.#deps
    return typeof transport === 'function' ? transport() : transport
  }

  #onReply(message: RawMessage): void {
    let reply: ControlReply
    try {
      reply = decodeReply(message)
    } catch (error) {
      if (!(error instanceof TqError)) throw error
      this.#deps.logger.warn(`A reply to remote control is dropped: ${error.message}`)
      return
    }
    this.#deps.lamport.adjust(reply.clock)
    // Replies older than the ticket header (kombu < 2.5) can only be told apart while one call is open.
    const only = this.#calls.size === 1 && reply.ticket === '' ? [...this.#calls.values()][0] : undefined
    ;(this.#calls.get(reply.ticket) ?? only)?.add(reply)
  }
}

/** Collects until `timeoutMs` after the last reply, or until there are `limit`. Replies may come before `start`. */
class Collector {
  readonly #clock: Clock
  readonly #timeoutMs: number
  readonly #limit: number
  readonly #onReply: CallOptions['onReply']
  readonly #found: ControlReply[] = []
  readonly #done: Deferred<readonly ControlReply[]> = deferred()
  #timer: Timer | undefined
  #finished = false

  constructor(clock: Clock, timeoutMs: number, limit: number, onReply: CallOptions['onReply']) {
    this.#clock = clock
    this.#timeoutMs = timeoutMs
    this.#limit = limit
    this.#onReply = onReply
  }

  get replies(): Promise<readonly ControlReply[]> {
    return this.#done.promise
  }

  start(): void {
    if (this.#finished) return
    this.#timer?.cancel()
    // Someone waits for the answer: the timer keeps the process alive.
    this.#timer = this.#clock.timer(this.#timeoutMs, () => this.finish(), { ref: true })
  }

  add(reply: ControlReply): void {
    if (this.#finished) return
    this.#found.push(reply)
    this.#onReply?.(reply)
    if (this.#found.length >= this.#limit) this.finish()
    else this.start()
  }

  finish(): void {
    this.#finished = true
    this.#timer?.cancel()
    this.#done.resolve(this.#found)
  }
}
