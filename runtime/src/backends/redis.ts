import type { Clock } from '../core/clock.ts'
import { ChannelError, ConnectionError, DecodeError } from '../core/errors.ts'
import type { Logger } from '../core/logger.ts'
import { type ChordRef, type GroupMeta, stateRank, type TaskMeta } from '../core/states.ts'
import type { RedisConnection } from '../drivers/redis-connection.ts'
import { listOf } from '../drivers/redis-reply.ts'
import { decodeJson, encodeJson } from '../serializers/json.ts'
import { layout, type RedisLayout } from '../wire/redis-layout.ts'
import { chordPartFromText, dictToGroup, dictToMeta, groupToDict, metaToDict } from '../wire/result-meta.ts'
import { RedisChords } from './redis-chords.ts'
import { storeScript } from './redis-scripts.ts'
import { RedisWatcher } from './redis-watch.ts'
import type { ChordPart, ResultBackend, StoreOptions, StorePlan } from './result-backend.ts'

const batchLimit = 200

/**
 * Results under Celery's keys: a document per task that expires, announced on the channel of the same name. The connection
 * belongs to whoever opened it; `close` ends the watches and leaves it open.
 * Source: celery/backends/redis.py, RedisBackend.
 */
export class RedisBackend implements ResultBackend {
  readonly name = 'redis'
  readonly #connection: RedisConnection
  readonly #layout: RedisLayout
  readonly #chords: RedisChords
  readonly #watcher: RedisWatcher
  #closed = false

  /** `globalKeyprefix` stands before every key and channel of results; `_` is added unless it ends in one of `: _ - .` */
  constructor(
    connection: RedisConnection,
    deps: { readonly clock: Clock; readonly logger: Logger; readonly globalKeyprefix?: string | undefined },
  ) {
    this.#connection = connection
    this.#layout = layout({ db: connection.db, resultKeyprefix: deps.globalKeyprefix })
    this.#chords = new RedisChords(connection, this.#layout, deps.clock)
    this.#watcher = new RedisWatcher(connection, deps, (text) => dictToMeta(decodeJson(text)))
  }

  async connect(): Promise<void> {
    this.#mustBeOpen()
    await this.#connection.connect()
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#watcher.close()
  }

  async prepare(): Promise<void> {
    // Results are kept until they expire: there is nothing to set up before the task is sent.
    this.#mustBeOpen()
  }

  async store(metas: readonly TaskMeta[], options: StoreOptions): Promise<void> {
    this.#mustBeOpen()
    const writes: Promise<unknown>[] = []
    for (let from = 0; from < metas.length; from += batchLimit) {
      const batch = metas.slice(from, from + batchLimit)
      const keys = batch.map((meta) => this.#layout.resultKey(meta.id))
      const args: (string | number)[] = [Math.ceil(options.ttlMs)]
      for (const meta of batch) args.push(stateRank(meta.state), textOf(meta))
      writes.push(this.#connection.run(storeScript, keys, args))
    }
    await Promise.all(writes)
  }

  plan(meta: TaskMeta, options: StoreOptions): StorePlan {
    const key = this.#layout.resultKey(meta.id)
    return { driver: this.#connection.driver, meta, ttlMs: options.ttlMs, key, text: textOf(meta) }
  }

  async fetch(ids: readonly string[]): Promise<readonly (TaskMeta | undefined)[]> {
    this.#mustBeOpen()
    if (ids.length === 0) return []
    const texts = listOf(await this.#connection.call('MGET', ...ids.map((id) => this.#layout.resultKey(id))))
    return ids.map((id, at) => {
      const text = texts[at]
      return typeof text === 'string' ? readable(`The result of ${id}`, () => dictToMeta(decodeJson(text))) : undefined
    })
  }

  watch(ids: readonly string[], signal: AbortSignal): AsyncIterable<TaskMeta> {
    this.#mustBeOpen()
    const keys = ids.map((id) => this.#layout.resultKey(id))
    return this.#watcher.watch(keys, signal)
  }

  async forget(id: string): Promise<void> {
    this.#mustBeOpen()
    await this.#connection.call('DEL', this.#layout.resultKey(id))
  }

  async storeGroup(group: GroupMeta, options: StoreOptions): Promise<void> {
    this.#mustBeOpen()
    const expiry = options.ttlMs === 0 ? [] : ['PX', Math.ceil(options.ttlMs)]
    await this.#connection.call('SET', this.#layout.groupKey(group.id), encodeJson(groupToDict(group)), ...expiry)
  }

  async fetchGroup(id: string): Promise<GroupMeta | undefined> {
    this.#mustBeOpen()
    const text = await this.#connection.call('GET', this.#layout.groupKey(id))
    return typeof text === 'string' ? readable(`Group ${id}`, () => dictToGroup(decodeJson(text))) : undefined
  }

  async dropGroup(id: string): Promise<void> {
    this.#mustBeOpen()
    await this.#connection.call('DEL', this.#layout.groupKey(id))
  }

  async openChord(chord: ChordRef, size: number, options: StoreOptions): Promise<void> {
    this.#mustBeOpen()
    await this.#chords.open(chord, size, options)
  }

  async growChord(chord: ChordRef, by: number): Promise<void> {
    this.#mustBeOpen()
    await this.#chords.grow(chord, by)
  }

  async joinChord(chord: ChordRef, part: ChordPart, options: StoreOptions): Promise<'waiting' | 'complete'> {
    this.#mustBeOpen()
    return this.#chords.join(chord, part, options)
  }

  async chordParts(chord: ChordRef): Promise<readonly TaskMeta[]> {
    this.#mustBeOpen()
    const texts = await this.#chords.partTexts(chord)
    return readable(`A part of chord ${chord.groupId}`, () => texts.map((text) => chordPartFromText(text, decodeJson)))
  }

  async closeChord(chord: ChordRef): Promise<void> {
    this.#mustBeOpen()
    await this.#chords.close(chord)
  }

  async openChords(olderThanMs: number): Promise<readonly ChordRef[]> {
    this.#mustBeOpen()
    return this.#chords.openSince(olderThanMs)
  }

  #mustBeOpen(): void {
    if (!this.#closed) return
    throw new ConnectionError(`The result backend on Redis at ${this.#connection.url} was closed by this program.`)
  }
}

function textOf(meta: TaskMeta): string {
  return encodeJson(metaToDict(meta))
}

/** A document of another serializer (pickle, yaml) is there, but not for us. */
function readable<T>(what: string, read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    throw new ChannelError(
      `${what} is not JSON that tq can read: ${error.message}. Which result_serializer wrote it?`,
      {
        cause: error,
      },
    )
  }
}
