import type { ChordRef, GroupMeta, TaskMeta } from '../core/states.ts'

/** Where states and results are kept. Rejects with ConnectionError or ChannelError only. */
export interface ResultBackend {
  /** Scheme of the URL: `memory`, `sqlite`, `redis`, `disabled`. */
  readonly name: string
  /** False where chords cannot be counted: they are refused when they are sent. */
  readonly countsChords?: false | undefined
  connect(): Promise<void>
  close(): Promise<void>
  /** Before publishing tasks whose results are wanted: reply queue (rpc), cursor (sqlite). */
  prepare(ids: readonly string[], replyTo: string): Promise<void>
  /** Never moves a ready state backwards; SUCCESS is final. `ttlMs` 0 keeps for ever. */
  store(metas: readonly TaskMeta[], options: StoreOptions): Promise<void>
  /** The same write, to be carried out by a transport of the same `driver` together with an acknowledgement. */
  plan(meta: TaskMeta, options: StoreOptions): StorePlan | undefined
  fetch(ids: readonly string[]): Promise<readonly (TaskMeta | undefined)[]>
  /** The current state first where there is one, then every change; ends when all are ready or `signal` aborts. */
  watch(ids: readonly string[], signal: AbortSignal): AsyncIterable<TaskMeta>
  forget(id: string): Promise<void>
  storeGroup(group: GroupMeta, options: StoreOptions): Promise<void>
  fetchGroup(id: string): Promise<GroupMeta | undefined>
  dropGroup(id: string): Promise<void>
  /** Before the last header message is published. */
  openChord(chord: ChordRef, size: number, options: StoreOptions): Promise<void>
  /** Header parts added by a running part. */
  growChord(chord: ChordRef, by: number): Promise<void>
  /** Counts one part, however often it is told of it. May say `complete` again until `closeChord`. */
  joinChord(chord: ChordRef, part: ChordPart, options: StoreOptions): Promise<'waiting' | 'complete'>
  /** The parts of a chord in the order of their index. */
  chordParts(chord: ChordRef): Promise<readonly TaskMeta[]>
  /** After the body is published. */
  closeChord(chord: ChordRef): Promise<void>
  /** Complete and not closed for longer than that: their bodies have to be published again. */
  openChords(olderThanMs: number): Promise<readonly ChordRef[]>
}

export interface StoreOptions {
  readonly ttlMs: number
  readonly replyTo?: string | undefined
}

export interface ChordPart {
  readonly index: number | undefined
  readonly meta: TaskMeta
}

/**
 * A write that a transport of the same driver carries out in the same atomic step as an acknowledgement. Opaque to everyone
 * else: `driver` names the server (or file) and the database on it, `key` and `text` are what that driver stores.
 */
export interface StorePlan {
  readonly driver: string
  readonly meta: TaskMeta
  readonly ttlMs: number
  readonly key: string
  readonly text: string
}
