import type { ChordPlace, ChordRecord, ClaimedChord } from '../core/chord.ts'
import type { Clock } from '../core/clock.ts'
import { ChannelError, ConnectionError, DecodeError } from '../core/errors.ts'
import type { Logger } from '../core/logger.ts'
import type { ChordRef, GroupMeta, TaskMeta } from '../core/states.ts'
import type { RedisConnection } from '../drivers/redis-connection.ts'
import { jsonResultCodec, type ResultCodec, type ResultDocument } from '../serializers/result-codec.ts'
import { layout, type RedisLayout } from '../wire/redis-layout.ts'
import { chordPartOf, dictToGroup, groupToDict, metaToDict } from '../wire/result-meta.ts'
import { RedisChords } from './redis-chords.ts'
import { RedisDocuments } from './redis-documents.ts'
import { RedisWatcher } from './redis-watch.ts'
import type {
  ChordPart,
  ClaimChordsOptions,
  JoinChordOptions,
  OpenChordOptions,
  ResultBackend,
  StoreOptions,
  StorePlan,
} from './result-backend.ts'

/**
 * Results under Celery's keys: a document per task that expires, announced on the channel of the same name. The connection
 * belongs to whoever opened it; `close` ends the watches and leaves it open.
 * Source: celery/backends/redis.py, RedisBackend.
 */
export class RedisBackend implements ResultBackend {
  readonly name = 'redis'
  readonly #connection: RedisConnection
  readonly #layout: RedisLayout
  readonly #documents: RedisDocuments
  readonly #chords: RedisChords
  readonly #watcher: RedisWatcher
  #closed = false

  /**
   * `globalKeyprefix` stands before every key and channel of results; `_` is added unless it ends in one of `: _ - .`
   * `codec` is the form of the documents, JSON by default.
   */
  constructor(
    connection: RedisConnection,
    deps: {
      readonly clock: Clock
      readonly logger: Logger
      readonly globalKeyprefix?: string | undefined
      readonly codec?: ResultCodec | undefined
    },
  ) {
    this.#connection = connection
    this.#layout = layout({ db: connection.db, resultKeyprefix: deps.globalKeyprefix })
    this.#documents = new RedisDocuments(connection, deps.codec ?? jsonResultCodec())
    this.#chords = new RedisChords(connection, this.#layout, deps.clock, this.#documents)
    this.#watcher = new RedisWatcher(connection, deps, this.#documents)
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
    const entries = metas.map((meta) => ({ key: this.#layout.resultKey(meta.id), meta }))
    await this.#documents.store(entries, options.ttlMs)
  }

  /** JSON only: the script that carries it out has to read the state in the old document. */
  plan(meta: TaskMeta, options: StoreOptions): StorePlan | undefined {
    const text = this.#documents.codec.isJson ? this.#documents.codec.encode(metaToDict(meta)) : undefined
    if (typeof text !== 'string') return undefined
    const key = this.#layout.resultKey(meta.id)
    return { driver: this.#connection.driver, meta, ttlMs: options.ttlMs, key, text }
  }

  async fetch(ids: readonly string[]): Promise<readonly (TaskMeta | undefined)[]> {
    this.#mustBeOpen()
    if (ids.length === 0) return []
    const documents = await this.#documents.read(ids.map((id) => this.#layout.resultKey(id)))
    return ids.map((id, at) => {
      const document = documents[at]
      if (document === undefined) return undefined
      return readable(`The result of ${id}`, () => this.#documents.decodeMeta(document))
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
    const document = this.#documents.codec.encode(groupToDict(group))
    await this.#connection.call('SET', this.#layout.groupKey(group.id), document, ...expiry)
  }

  async fetchGroup(id: string): Promise<GroupMeta | undefined> {
    this.#mustBeOpen()
    const [document] = await this.#documents.read([this.#layout.groupKey(id)])
    if (document === undefined) return undefined
    return readable(`Group ${id}`, () => dictToGroup(this.#documents.codec.decode(document)))
  }

  async dropGroup(id: string): Promise<void> {
    this.#mustBeOpen()
    await this.#connection.call('DEL', this.#layout.groupKey(id))
  }

  async openChord(chord: ChordRef, size: number, options: OpenChordOptions): Promise<void> {
    this.#mustBeOpen()
    await this.#chords.open(chord, size, options)
  }

  async growChord(chord: ChordRef, by: number, places: readonly ChordPlace[]): Promise<void> {
    this.#mustBeOpen()
    await this.#chords.grow(chord, by, places)
  }

  async joinChord(
    chord: ChordRef,
    part: ChordPart,
    options: JoinChordOptions,
  ): Promise<'waiting' | 'complete' | 'again'> {
    this.#mustBeOpen()
    return this.#chords.join(chord, part, options)
  }

  async chordParts(chord: ChordRef): Promise<readonly TaskMeta[]> {
    this.#mustBeOpen()
    const parts = await this.#chords.parts(chord)
    const read = (part: ResultDocument): TaskMeta => chordPartOf(this.#documents.codec.decode(part))
    return readable(`A part of chord ${chord.groupId}`, () => parts.map(read))
  }

  async closeChord(chord: ChordRef): Promise<void> {
    this.#mustBeOpen()
    await this.#chords.close(chord)
  }

  async chordRecord(chord: ChordRef): Promise<ChordRecord | undefined> {
    this.#mustBeOpen()
    try {
      return await this.#chords.record(chord)
    } catch (error) {
      throw error instanceof DecodeError ? unreadable(`The record of chord ${chord.groupId}`, error) : error
    }
  }

  async claimChords(options: ClaimChordsOptions): Promise<readonly ClaimedChord[]> {
    this.#mustBeOpen()
    return this.#chords.claim(options)
  }

  #mustBeOpen(): void {
    if (!this.#closed) return
    throw new ConnectionError(`The result backend on Redis at ${this.#connection.url} was closed by this program.`)
  }
}

/** A document of another serializer is there, but not for us. */
function readable<T>(what: string, read: () => T): T {
  try {
    return read()
  } catch (error) {
    throw error instanceof DecodeError ? unreadable(what, error) : error
  }
}

function unreadable(what: string, cause: DecodeError): ChannelError {
  return new ChannelError(`${what} cannot be read: ${cause.message} Was it written with another resultSerializer?`, {
    cause,
  })
}
