import type { Clock } from '../core/clock.ts'
import { ChannelError, DecodeError } from '../core/errors.ts'
import type { Logger } from '../core/logger.ts'
import type { ChordBody, ChordPlace, ChordRecord, ClaimedChord } from '../core/chord.ts'
import type { ChordRef, GroupMeta, TaskMeta } from '../core/states.ts'
import { closedError, type Operation } from '../drivers/sqlite-commit.ts'
import { text } from '../drivers/sqlite-connection.ts'
import { expiryMs, storeResult } from '../drivers/sqlite-results.ts'
import type { SqliteStore } from '../drivers/sqlite-store.ts'
import { jsonResultCodec, type ResultCodec } from '../serializers/result-codec.ts'
import { chordBodyToDict, dictToChordBody, listToPlaces, placesToList } from '../wire/chord-dict.ts'
import { dictToGroup, dictToMeta, groupToDict, metaToDict } from '../wire/result-meta.ts'
import { KnownBodies } from './known-bodies.ts'
import type {
  ChordPart,
  ClaimChordsOptions,
  JoinChordOptions,
  OpenChordOptions,
  ResultBackend,
  StoreOptions,
  StorePlan,
} from './result-backend.ts'
import {
  chordPartTexts,
  chordRecordRow,
  claimChordRows,
  closeChordRow,
  growChordRow,
  hasQuietChords,
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
  readonly #bodies = new KnownBodies()
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

  async openChord(chord: ChordRef, size: number, options: OpenChordOptions): Promise<void> {
    const { groupId } = chord
    const { places, body } = options
    const texts = { body: this.#bodyText(body), places: places && this.#codec.encodeText(placesToList(places)) }
    await this.#submit((tx) => openChordRow(tx, groupId, size, texts, this.#times(options)))
    if (body) this.#bodies.add(groupId)
  }

  async growChord(chord: ChordRef, by: number, places: readonly ChordPlace[]): Promise<void> {
    const added = JSON.stringify(placesToList(places))
    await this.#submit((tx) => growChordRow(tx, chord.groupId, by, added, this.#clock.now()))
  }

  async joinChord(
    chord: ChordRef,
    part: ChordPart,
    options: JoinChordOptions,
  ): Promise<'waiting' | 'complete' | 'again'> {
    const { groupId } = chord
    const { meta } = part
    const plan = this.plan(meta, options)
    const row = { task: meta.id, index: part.index, meta: plan.text }
    const body = this.#bodies.has(groupId) ? undefined : this.#bodyText(options.body)
    const joined = await this.#submit((tx) => {
      if (options.storesResult) storeResult(tx, plan, this.#clock.now())
      return joinChordRow(tx, groupId, row, body, this.#times(options))
    }, row.meta.length)
    if (options.body) this.#bodies.add(groupId)
    return joined
  }

  async chordParts(chord: ChordRef): Promise<readonly TaskMeta[]> {
    this.#check()
    const texts = await this.#store.read((reader) => chordPartTexts(reader, chord.groupId, this.#clock.now()))
    return texts.map(this.#decodeMeta)
  }

  async chordRecord(chord: ChordRef): Promise<ChordRecord | undefined> {
    this.#check()
    const row = await this.#store.read((reader) => chordRecordRow(reader, chord.groupId, this.#clock.now()))
    if (row === undefined) return undefined
    const { size, body, places, added } = row
    const decode = (document: string): unknown => this.#codec.decodeText(document)
    return readable(() => ({
      size,
      body: body === undefined ? undefined : dictToChordBody(decode(body)),
      places: [
        ...(places === undefined ? [] : listToPlaces(decode(places))),
        ...listToPlaces(JSON.parse(added) as unknown),
      ],
    }))
  }

  async closeChord(chord: ChordRef): Promise<void> {
    await this.#submit((tx) => closeChordRow(tx, chord.groupId))
    this.#bodies.delete(chord.groupId)
  }

  async claimChords(options: ClaimChordsOptions): Promise<readonly ClaimedChord[]> {
    this.#check()
    const quiet = { ...options, nowMs: this.#clock.now() }
    if (!(await this.#store.read((reader) => hasQuietChords(reader, quiet)))) return []
    return this.#submit((tx) => claimChordRows(tx, quiet))
  }

  #bodyText(body: ChordBody | undefined): string | undefined {
    return body && this.#codec.encodeText(chordBodyToDict(body))
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
