import { DecodeError } from '../core/errors.ts'
import type { Stamps } from '../core/stamps.ts'
import { refusalOf } from '../wire/control-dict.ts'
import { type InspectAnswer, type InspectQuery, inspectReaders } from './inspect-answer.ts'
import type { CallOptions, CastOptions, Mailbox } from './mailbox.ts'

export type { InspectAnswer, InspectQuery } from './inspect-answer.ts'

/** A worker's refusal, or what made its answer unreadable. */
export interface Refusal {
  readonly error: string
}

/** Whether a worker refused a command, instead of answering it. */
export function isRefusal(reply: unknown): reply is Refusal {
  return typeof reply === 'object' && reply !== null && 'error' in reply && typeof reply.error === 'string'
}

/** Answers by node name; a worker that did not answer in time is missing. */
export type Replies<T> = Readonly<Record<string, T | Refusal>>

/** A worker's confirmation in words. */
export interface Ok {
  readonly ok: string
}

/** Whom to ask and how long to wait: 1000 ms after each reply unless said otherwise. */
export type ReplyOptions = CallOptions

/** What to ask workers for, beside whom. */
export interface InspectOptions extends ReplyOptions {
  /** Task ids of `queryTask`. */
  readonly ids?: readonly string[] | undefined
  /** Attributes that `registered` adds to each name, by Celery's names, e.g. `rate_limit`. */
  readonly taskInfo?: readonly string[] | undefined
  /** `conf` lists settings that stand at their default, too. */
  readonly withDefaults?: boolean | undefined
}

/** Which workers are to know of it, and what becomes of a task that runs. */
export interface RevokeOptions extends CastOptions {
  /** Also ends the task if it runs now. */
  readonly terminate?: boolean | undefined
  /** Default SIGTERM. */
  readonly signal?: NodeJS.Signals | undefined
}

/** Seconds; null takes a limit away. */
export interface TimeLimitChange {
  readonly soft?: number | null | undefined
  readonly hard?: number | null | undefined
}

/** How the queue is bound; default as one that is not configured: a direct exchange and a key of its own name. */
export interface AddConsumerOptions extends ReplyOptions {
  readonly exchange?: string | undefined
  readonly exchangeType?: 'direct' | 'topic' | 'fanout' | undefined
  readonly routingKey?: string | undefined
}

type Args = Readonly<Record<string, unknown>>

/** Remote control of all workers on one broker, those of Python included. */
export class Control {
  readonly #mailbox: Mailbox

  constructor(mailbox: Mailbox) {
    this.#mailbox = mailbox
  }

  ping(options: ReplyOptions = {}): Promise<Replies<'pong'>> {
    return this.#ask('ping', {}, options, (value) => {
      if (okOf(value) !== 'pong') throw new DecodeError('Expected pong.')
      return 'pong'
    })
  }

  /** How many workers answer to one node name within `timeoutMs`; more than one is a mistake. */
  async countNamed(hostname: string, timeoutMs: number): Promise<number> {
    const replies = await this.#mailbox.call('ping', {}, { destination: [hostname], timeoutMs, limit: 2 })
    return replies.length
  }

  /** What a worker that starts asks the others; their answers as they are. Source: celery/worker/consumer/mingle.py. */
  async hello(
    fromNode: string,
    revoked: Readonly<Record<string, unknown>>,
    options: ReplyOptions = {},
  ): Promise<Readonly<Record<string, { readonly revoked?: unknown }>>> {
    const replies = await this.#mailbox.call('hello', { fromNode, revoked }, options)
    return Object.fromEntries(
      replies.flatMap(({ hostname, value }) => (isAnswer(value) && hostname !== fromNode ? [[hostname, value]] : [])),
    )
  }

  inspect<Q extends InspectQuery>(query: Q, options: InspectOptions = {}): Promise<Replies<InspectAnswer[Q]>> {
    return this.#ask(query, questionArgs(query, options), options, inspectReaders[query])
  }

  /**
   * Resolves when the broker has the command. Workers keep the ids in memory and skip those tasks; which workers heard
   * it, nobody says.
   */
  async revoke(id: string | readonly string[], options: RevokeOptions = {}): Promise<void> {
    const { terminate = false, signal = 'SIGTERM', ...to } = options
    await this.#mailbox.cast('revoke', { taskId: id, terminate, signal }, to)
  }

  /**
   * As `revoke`, for all calls that have one of these values under this stamp, now or later: `{ order: 17 }`, `{ order: [17, 18] }`.
   * Source: celery/app/control.py, Control.revoke_by_stamped_headers.
   */
  async revokeByStampedHeaders(headers: Stamps, options: RevokeOptions = {}): Promise<void> {
    const { terminate = false, signal = 'SIGTERM', ...to } = options
    await this.#mailbox.cast('revokeByStampedHeaders', { headers, terminate, signal }, to)
  }

  /** `rate` as `10/s`, `10/m`, `10/h` or a number per second; `0` lifts it. */
  rateLimit(task: string, rate: string | number, options: ReplyOptions = {}): Promise<Replies<Ok>> {
    return this.#command('rateLimit', { taskName: task, rateLimit: rate }, options)
  }

  timeLimit(task: string, limits: TimeLimitChange, options: ReplyOptions = {}): Promise<Replies<Ok>> {
    const args = { taskName: task, soft: limits.soft ?? null, hard: limits.hard ?? null }
    return this.#command('timeLimit', args, options)
  }

  poolGrow(by = 1, options: ReplyOptions = {}): Promise<Replies<Ok>> {
    return this.#command('poolGrow', { n: by }, options)
  }

  poolShrink(by = 1, options: ReplyOptions = {}): Promise<Replies<Ok>> {
    return this.#command('poolShrink', { n: by }, options)
  }

  autoscale(max: number, min: number, options: ReplyOptions = {}): Promise<Replies<Ok>> {
    return this.#command('autoscale', { max, min }, options)
  }

  addConsumer(queue: string, options: AddConsumerOptions = {}): Promise<Replies<Ok>> {
    const { exchange, exchangeType, routingKey, ...reply } = options
    return this.#command('addConsumer', { queue, exchange, exchangeType, routingKey }, reply)
  }

  cancelConsumer(queue: string, options: ReplyOptions = {}): Promise<Replies<Ok>> {
    return this.#command('cancelConsumer', { queue }, options)
  }

  enableEvents(options: ReplyOptions = {}): Promise<Replies<Ok>> {
    return this.#command('enableEvents', {}, options)
  }

  disableEvents(options: ReplyOptions = {}): Promise<Replies<Ok>> {
    return this.#command('disableEvents', {}, options)
  }

  /** Has workers tell monitors that they live, now instead of at their next beat. Resolves when the broker has the command. */
  async heartbeat(options: CastOptions = {}): Promise<void> {
    await this.#mailbox.cast('heartbeat', {}, options)
  }

  /** Warm shutdown of the named workers, or of all. Resolves when the broker has the command. */
  async shutdown(options: CastOptions = {}): Promise<void> {
    await this.#mailbox.cast('shutdown', {}, options)
  }

  #command(command: string, args: Args, options: ReplyOptions): Promise<Replies<Ok>> {
    return this.#ask(command, args, options, (value) => ({ ok: okOf(value) }))
  }

  async #ask<T>(command: string, args: Args, options: ReplyOptions, read: (value: unknown) => T): Promise<Replies<T>> {
    const replies = await this.#mailbox.call(command, args, options)
    return Object.fromEntries(replies.map(({ hostname, value }) => [hostname, readReply(command, value, read)]))
  }
}

function readReply<T>(command: string, value: unknown, read: (value: unknown) => T): T | Refusal {
  const refusal = refusalOf(value)
  if (refusal !== undefined) return { error: refusal }
  try {
    return read(value)
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    return { error: `The answer to ${command} cannot be read: ${error.message}` }
  }
}

function isAnswer(value: unknown): value is { readonly revoked?: unknown } {
  return typeof value === 'object' && value !== null && !('error' in value)
}

function okOf(value: unknown): string {
  if (typeof value === 'object' && value !== null && 'ok' in value && typeof value.ok === 'string') return value.ok
  throw new DecodeError('Expected { ok: text }.')
}

function questionArgs(query: InspectQuery, options: InspectOptions): Args {
  switch (query) {
    case 'queryTask':
      return { ids: options.ids ?? [] }
    case 'registered':
      return { taskInfoItems: options.taskInfo ?? [] }
    case 'conf':
      return { withDefaults: options.withDefaults ?? false }
    default:
      return {}
  }
}
