import type { Clock, Timer } from '../core/clock.ts'
import type { Logger } from '../core/logger.ts'
import { isReady, type TaskMeta } from '../core/states.ts'
import type { RedisConnection, Unsubscribe } from '../drivers/redis-connection.ts'
import type { ResultDocument } from '../serializers/result-codec.ts'
import { isSameDocument, type RedisDocuments } from './redis-documents.ts'

const pollMs = 2000

interface Watch {
  /** Keys whose state is not final yet. */
  readonly waiting: Set<string>
  readonly changes: TaskMeta[]
  /** Last document of each key, so that a change that is both announced and read is told once. */
  readonly seen: Map<string, ResultDocument>
  readonly unsubscribes: Map<string, Unsubscribe>
  wake: () => void
}

/**
 * Waits for results: subscribes to their channels, then reads once what is there, in batches of all that is asked for in one
 * turn of the event loop. What is still awaited is read again every two seconds, so that an announcement which was
 * lost with a connection delays a result and never hides it.
 */
export class RedisWatcher {
  readonly #connection: RedisConnection
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #documents: RedisDocuments
  readonly #watches = new Set<Watch>()
  readonly #closing = new AbortController()
  #poll: Timer | undefined
  #reading: { readonly keys: Set<string>; readonly done: Promise<void> } | undefined

  constructor(
    connection: RedisConnection,
    deps: { readonly clock: Clock; readonly logger: Logger },
    documents: RedisDocuments,
  ) {
    this.#connection = connection
    this.#clock = deps.clock
    this.#logger = deps.logger
    this.#documents = documents
  }

  async *watch(keys: readonly string[], signal: AbortSignal): AsyncGenerator<TaskMeta> {
    const ended = AbortSignal.any([signal, this.#closing.signal])
    const watch: Watch = {
      waiting: new Set(keys),
      changes: [],
      seen: new Map(),
      unsubscribes: new Map(),
      wake: () => {},
    }
    if (ended.aborted || watch.waiting.size === 0) return
    const onEnd = (): void => watch.wake()
    ended.addEventListener('abort', onEnd)
    this.#watches.add(watch)
    this.#poll ??= this.#clock.interval(pollMs, () => this.#look())
    this.#begin(watch)
    try {
      for (;;) {
        const meta = watch.changes.shift()
        if (ended.aborted) return
        if (meta) yield meta
        else if (watch.waiting.size === 0) return
        else {
          await new Promise<void>((resolve) => {
            watch.wake = resolve
          })
        }
      }
    } finally {
      ended.removeEventListener('abort', onEnd)
      this.#watches.delete(watch)
      for (const unsubscribe of watch.unsubscribes.values()) unsubscribe()
      watch.unsubscribes.clear()
      if (this.#watches.size === 0) {
        this.#poll?.cancel()
        this.#poll = undefined
      }
    }
  }

  /** Ends every watch. */
  close(): void {
    this.#closing.abort()
    this.#poll?.cancel()
  }

  #begin(watch: Watch): void {
    this.#subscribe(watch)
      .then(() => this.#read(watch.waiting))
      .catch((error: unknown) => {
        // The next look tries again.
        this.#logger.debug(`Could not subscribe to results; they are polled: ${String(error)}`)
      })
  }

  async #subscribe(watch: Watch): Promise<void> {
    const missing = [...watch.waiting].filter((key) => !watch.unsubscribes.has(key))
    await Promise.all(
      missing.map(async (key) => {
        const { isJson } = this.#documents.codec
        const listener = (text: string, _: string, bytes?: Uint8Array): void =>
          this.#tell(watch, key, isJson ? text : (bytes ?? text))
        const unsubscribe = await this.#connection.listener.subscribe(key, listener)
        if (this.#watches.has(watch) && watch.waiting.has(key)) watch.unsubscribes.set(key, unsubscribe)
        else unsubscribe()
      }),
    )
  }

  #look(): void {
    const keys = new Set<string>()
    for (const watch of this.#watches) {
      for (const key of watch.waiting) keys.add(key)
      if (watch.unsubscribes.size < watch.waiting.size) this.#begin(watch)
    }
    this.#read(keys).catch((error: unknown) => {
      this.#logger.debug(`Could not read results; reading again in two seconds: ${String(error)}`)
    })
  }

  /** Reads of one turn go out as one. */
  #read(keys: Iterable<string>): Promise<void> {
    if (!this.#reading) {
      const wanted = new Set<string>()
      const done = Promise.resolve().then(() => {
        this.#reading = undefined
        return this.#readNow([...wanted])
      })
      this.#reading = { keys: wanted, done }
    }
    for (const key of keys) this.#reading.keys.add(key)
    return this.#reading.done
  }

  async #readNow(keys: readonly string[]): Promise<void> {
    for (let from = 0; from < keys.length; from += 1000) {
      const batch = keys.slice(from, from + 1000)
      const documents = await this.#documents.read(batch)
      for (const [at, document] of documents.entries()) {
        const key = batch[at]
        if (key === undefined || document === undefined) continue
        for (const watch of [...this.#watches]) this.#tell(watch, key, document)
      }
    }
  }

  #tell(watch: Watch, key: string, document: ResultDocument): void {
    if (!watch.waiting.has(key) || isSameDocument(watch.seen.get(key), document)) return
    let meta: TaskMeta
    try {
      meta = this.#documents.decodeMeta(document)
    } catch (error) {
      this.#logger.warn(
        `Ignored a result under ${key} that cannot be read; who waits for it goes on waiting: ${String(error)}`,
      )
      return
    }
    watch.seen.set(key, document)
    if (isReady(meta.state)) {
      watch.waiting.delete(key)
      watch.unsubscribes.get(key)?.()
      watch.unsubscribes.delete(key)
    }
    watch.changes.push(meta)
    watch.wake()
  }
}
