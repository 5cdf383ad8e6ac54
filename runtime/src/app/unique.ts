import { createHash } from 'node:crypto'
import { ArgumentError, ChannelError, DuplicateCallError } from '../core/errors.ts'
import type { Message } from '../core/message.ts'
import { isReady } from '../core/states.ts'
import { encodeJson } from '../serializers/json-encode.ts'
import { errorModule } from '../wire/error-names.ts'
import type { KeyStore } from '../transports/key-store.ts'
import type { Call, Prepared } from './send.ts'
import type { TaskOptions } from './task.ts'
import type { TqApp } from './tq.ts'

/** What makes two calls of a task the same one. */
export interface UniqueOptions {
  /**
   * True (default): all arguments. A function of the arguments gives a text, or undefined for a call that is not unique; it runs
   * where the call is sent.
   */
  readonly key?: true | ((...args: never[]) => string | undefined) | undefined
  /**
   * Seconds after which another call may be sent though nothing was heard of the first: its message was purged, or its worker died. Counted from
   * the ETA, and anew while it runs. Default 3600.
   */
  readonly ttl?: number | undefined
  /** What the second call gets: the result of the first (default), or a DuplicateCallError. */
  readonly onDuplicate?: 'result' | 'error' | undefined
}

/** The key of one call, to be held from its sending to its end. */
export interface UniqueClaim {
  readonly key: string
  readonly ttlMs: number
  readonly onDuplicate: 'result' | 'error'
}

const defaultTtlSeconds = 3600

// Whoever runs the task lets the key go; a retry and a worker that does not know the task keep it with the other headers.
const header = 'x-tq-unique'

/** The header that tells the worker what to let go. With the id: a task may hand its own headers on to what it sends. */
export function uniqueHeaders(id: string, { key }: UniqueClaim): Readonly<Record<string, unknown>> {
  return { [header]: `${id} ${key}` }
}

/** The key that a message holds, if any. */
export function uniqueKeyOf({ id, extraHeaders }: Pick<Message, 'id' | 'extraHeaders'>): string | undefined {
  const value = extraHeaders[header]
  return typeof value === 'string' && value.startsWith(`${id} `) ? value.slice(id.length + 1) : undefined
}

/** The headers of a message that its sender gave. */
export function customHeaders({ extraHeaders }: Pick<Message, 'extraHeaders'>): Readonly<Record<string, unknown>> {
  if (!(header in extraHeaders)) return extraHeaders
  const { [header]: _, ...custom } = extraHeaders
  return custom
}

/** How long the key of a task's call is held without a sign of life. */
export function uniqueTtlMs(options: TaskOptions | undefined): number {
  const { unique } = options ?? {}
  return ((typeof unique === 'object' ? unique.ttl : undefined) ?? defaultTtlSeconds) * 1000
}

/**
 * What a call has to claim; undefined where it is not unique. The parts of a canvas are not: whoever waits for one of them would
 * wait for ever if it were left out.
 */
export function uniqueClaimOf(call: Call): UniqueClaim | undefined {
  const options = call.known?.definition.options
  const unique = options?.unique
  if (!unique || call.following || call.chord || call.groupId !== undefined || (call.chain ?? []).length > 0)
    return undefined
  const { key = true, onDuplicate = 'result' } = unique === true ? {} : unique
  const args = positional(call)
  const text = key === true ? stableText(args) : key(...(args as readonly never[])) // its parameters are the task's
  if (text === undefined) return undefined
  const digest = createHash('sha256').update(text).digest('base64url')
  return { key: `unique.${call.task}.${digest}`, ttlMs: uniqueTtlMs(options), onDuplicate }
}

function positional({ known: task, args, options: { kwargs = {} } }: Call): readonly unknown[] {
  const asGiven = Object.keys(kwargs).length === 0 ? args : [...args, kwargs]
  try {
    return task && !task.definition.external ? task.bindArguments(args, kwargs) : asGiven
  } catch (error) {
    // The worker will say so; here it only has to be told apart.
    if (error instanceof ArgumentError) return asGiven
    throw error
  }
}

/** The same text whatever the order of an object's keys. */
function stableText(args: readonly unknown[]): string {
  const text = encodeJson(args, 'typed')
  try {
    return JSON.stringify(JSON.parse(text), (_, value: unknown) => (isObject(value) ? sorted(value) : value))
  } catch {
    return text // a bare NaN
  }
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function sorted(value: object): object {
  return Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)))
}

/** A call that may have to claim its key first. */
export type Claiming = Prepared & { readonly unique?: UniqueClaim | undefined }

/** Claims the keys of unique calls before they are published. */
export class UniqueCalls {
  readonly #app: TqApp
  readonly #keys: () => Promise<KeyStore>

  constructor(app: TqApp, keys: () => Promise<KeyStore>) {
    this.#app = app
    this.#keys = keys
  }

  /**
   * The id of the call that is queued or running in place of this one; undefined where this one may be sent. Rejects with
   * DuplicateCallError where the task wants that.
   */
  async firstOf({ message, unique }: Claiming): Promise<string | undefined> {
    if (!unique) return undefined
    const keys = await this.#keys()
    const ttlMs = unique.ttlMs + Math.max(0, (message.etaMs ?? 0) - this.#app.clock.now())
    let holder = await keys.claim(unique.key, message.id, ttlMs)
    // It ended, and its worker could not let go any more.
    if (holder !== message.id && (await this.#hasEnded(holder))) {
      await keys.release(unique.key, holder)
      holder = await keys.claim(unique.key, message.id, ttlMs)
    }
    if (holder === message.id) return undefined
    if (unique.onDuplicate === 'error') throw new DuplicateCallError(message.task, holder)
    this.#app.logger.debug(`${message.task}[${message.id}] was not sent: ${holder} is queued or running.`)
    return holder
  }

  /** Those of them that may be sent, and for each the id of the call that is under way. A DuplicateCallError leaves no key behind. */
  async freshOf(
    calls: readonly Claiming[],
  ): Promise<{ readonly fresh: readonly Claiming[]; readonly ids: readonly string[] }> {
    if (calls.every(({ unique }) => !unique)) return { fresh: calls, ids: calls.map(({ message }) => message.id) }
    const fresh: Claiming[] = []
    const ids: string[] = []
    try {
      for (const call of calls) {
        const first = await this.firstOf(call)
        if (first === undefined) fresh.push(call)
        ids.push(first ?? call.message.id)
      }
    } catch (error) {
      await this.release(fresh)
      throw error
    }
    return { fresh, ids }
  }

  /** For who holds a result of a call that was promised before its transaction ended, and then was not sent. */
  async storeDuplicate({ message }: Claiming, first: string): Promise<void> {
    if (message.ignoreResult) return
    const backend = await this.#app.resultBackend()
    const error = {
      type: 'TaskRevokedError',
      module: errorModule('TaskRevokedError', ''),
      message: [`duplicate of ${first}`],
    }
    const meta = { id: message.id, state: 'REVOKED', error, doneAtMs: this.#app.clock.now() }
    await backend.store([meta], { ttlMs: this.#app.settings.resultExpires * 1000, replyTo: message.replyTo })
  }

  /** Publishes; what could not be sent holds no key. */
  async sending(calls: readonly Claiming[], publish: () => Promise<void>): Promise<void> {
    try {
      await publish()
    } catch (error) {
      await this.release(calls)
      throw error
    }
  }

  /** As if they had not been claimed. */
  async release(calls: readonly Claiming[]): Promise<void> {
    for (const { message, unique } of calls) {
      if (!unique) continue
      const released = this.#keys().then((keys) => keys.release(unique.key, message.id))
      await released.catch((error: unknown) => {
        this.#app.logger.warn(
          `${message.task}[${message.id}] was not sent, and its key could not be let go: calls like it are refused for ${unique.ttlMs / 1000} s. ${String(error)}`,
        )
      })
    }
  }

  async #hasEnded(id: string): Promise<boolean> {
    try {
      const [meta] = await (await this.#app.resultBackend()).fetch([id])
      return meta !== undefined && isReady(meta.state)
    } catch (error) {
      if (error instanceof ChannelError) return false // results are off: nobody knows
      throw error
    }
  }
}
