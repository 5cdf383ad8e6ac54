import type { Clock } from '../core/clock.ts'
import { ChannelError, DecodeError } from '../core/errors.ts'
import type { Logger } from '../core/logger.ts'
import type { ChordRef, GroupMeta, TaskMeta } from '../core/states.ts'
import { closedError, type Operation } from '../drivers/sqlite-commit.ts'
import { text } from '../drivers/sqlite-connection.ts'
import { expiryMs, storeResult } from '../drivers/sqlite-results.ts'
import type { SqliteStore } from '../drivers/sqlite-store.ts'
import { jsonResultCodec, type ResultCodec } from '../serializers/result-codec.ts'
import { dictToGroup, dictToMeta, groupToDict, metaToDict } from '../wire/result-meta.ts'
import type { ChordPart, ResultBackend, StoreOptions, StorePlan } from './result-backend.ts'
import {
  chordPartTexts,
  closeChordRow,
  completeChordIds,
  growChordRow,
  joinChordRow,
  openChordRow,
  type Times,
} from './sqlite-chords.ts'
import { ResultWatch } from './sqlite-watch.ts'

/**
 * Results as Celery's documents in a SQLite file, beside the queues where the transport stands on the same store: then an
 * acknowledgement carries out `plan`. Closing it leaves the store open. A value that is no JSON rejects with EncodeError.
 */
export class SqliteBackend implements ResultBackend {
  readonly name = 'sqlite'
  readonly #store: SqliteStore
  readonly #clock: Clock
  readonly #watch: ResultWatch
  readonly #codec: ResultCodec
  readonly #decodeMeta: (document: string) => TaskMeta
  #isClosed = false

  /** `codec` is the form of the documents, JSON by default; what is no text is stored as base64. */
  constructor(
    store: SqliteStore,
    deps: { readonly clock: Clock; readonly logger: Logger; readonly codec?: ResultCodec | undefined },
  ) {
    const codec = deps.codec ?? jsonResultCodec()
    this.#codec = codec
    this.#decodeMeta = (document) => readable(() => dictToMeta(codec.decodeText(document)))
    this.#store = store
    this.#clock = deps.clock
    this.#watch = new ResultWatch(store)
  }

  async connect(): Promise<void> {
    this.#check()
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#watch.close()
  }

  /** Nothing to prepare: `watch` begins with what is stored already. */
  async prepare(): Promise<void> {
    this.#check()
  }

  async store(metas: readonly TaskMeta[], options: StoreOptions): Promise<void> {
    const plans = metas.map((meta) => this.plan(meta, options))
    const size = plans.reduce((sum, plan) => sum + plan.text.length, 0)
    await this.#submit((tx) => {
      for (const plan of plans) storeResult(tx, plan, this.#clock.now())
    }, size)
  }

  plan(meta: TaskMeta, options: StoreOptions): StorePlan {
    const text = this.#codec.encodeText(metaToDict(meta))
    return { driver: this.#store.driver, meta, ttlMs: options.ttlMs, key: meta.id, text }
  }

  async fetch(ids: readonly string[]): Promise<readonly (TaskMeta | undefined)[]> {
    this.#check()
    const rows = await this.#store.read((reader) =>
      reader.all(
        'select id, meta from result where id in (select value from json_each(?)) and expires>?',
        JSON.stringify(ids),
        this.#clock.now(),
      ),
    )
    const found = new Map(rows.map((row) => [text(row['id']), this.#decodeMeta(text(row['meta']))]))
    return ids.map((id) => found.get(id))
  }

  watch(ids: readonly string[], signal: AbortSignal): AsyncIterable<TaskMeta> {
    return this.#watch.watch(ids, signal, { decode: this.#decodeMeta, check: () => this.#check() })
  }

  async forget(id: string): Promise<void> {
    await this.#submit((tx) => tx.run('delete from result where id=?', id))
  }

  async storeGroup(group: GroupMeta, options: StoreOptions): Promise<void> {
    const meta = this.#codec.encodeText(groupToDict(group))
    await this.#submit((tx) =>
      tx.run(
        'insert or replace into grp(id, meta, expires) values(?,?,?)',
        group.id,
        meta,
        expiryMs(this.#clock.now(), options.ttlMs),
      ),
    )
  }

  async fetchGroup(id: string): Promise<GroupMeta | undefined> {
    this.#check()
    const row = await this.#store.read((reader) =>
      reader.get('select meta from grp where id=? and expires>?', id, this.#clock.now()),
    )
    return row && readable(() => dictToGroup(this.#codec.decodeText(text(row['meta']))))
  }

  async dropGroup(id: string): Promise<void> {
    await this.#submit((tx) => tx.run('delete from grp where id=?', id))
  }

  async openChord(chord: ChordRef, size: number, options: StoreOptions): Promise<void> {
    await this.#submit((tx) => openChordRow(tx, chord.groupId, size, this.#times(options)))
  }

  async growChord(chord: ChordRef, by: number): Promise<void> {
    await this.#submit((tx) => growChordRow(tx, chord.groupId, by, this.#clock.now()))
  }

  async joinChord(chord: ChordRef, part: ChordPart, options: StoreOptions): Promise<'waiting' | 'complete'> {
    const row = { task: part.meta.id, index: part.index, meta: this.#codec.encodeText(metaToDict(part.meta)) }
    return this.#submit((tx) => joinChordRow(tx, chord.groupId, row, this.#times(options)), row.meta.length)
  }

  async chordParts(chord: ChordRef): Promise<readonly TaskMeta[]> {
    this.#check()
    const texts = await this.#store.read((reader) => chordPartTexts(reader, chord.groupId, this.#clock.now()))
    return texts.map(this.#decodeMeta)
  }

  async closeChord(chord: ChordRef): Promise<void> {
    await this.#submit((tx) => closeChordRow(tx, chord.groupId))
  }

  async openChords(olderThanMs: number): Promise<readonly ChordRef[]> {
    this.#check()
    const nowMs = this.#clock.now()
    const ids = await this.#store.read((reader) => completeChordIds(reader, nowMs - olderThanMs, nowMs))
    return ids.map((groupId) => ({ groupId }))
  }

  #submit<T>(run: Operation<T>, size = 0): Promise<T> {
    this.#check()
    return this.#store.submit(run, { size })
  }

  #times(options: StoreOptions): Times {
    const nowMs = this.#clock.now()
    return { nowMs, expiresMs: expiryMs(nowMs, options.ttlMs) }
  }

  #check(): void {
    if (this.#isClosed) throw closedError(this.#store.path)
  }
}

function readable<T>(decode: () => T): T {
  try {
    return decode()
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    throw new ChannelError(
      `A stored result cannot be read (${error.message}). Forget it by its id, or let it expire.`,
      {
        cause: error,
      },
    )
  }
}
