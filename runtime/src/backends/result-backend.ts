import type { ChordBody, ChordPlace, ChordRecord, ClaimedChord } from '../core/chord.ts'
import type { ChordRef, GroupMeta, TaskMeta } from '../core/states.ts'

/** Where states and results are kept. Rejects with ConnectionError or ChannelError only. */
export interface ResultBackend {
  /** Scheme of the URL: `memory`, `sqlite`, `redis`, `disabled`. */
  readonly name: string
  /** False where a state reaches nobody but the process that sent the task: nobody else can ask for it, or tell the task something by it. */
  readonly keepsStates?: false | undefined
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
  /** Before the last header message is published. Again for the same chord: the parts that have joined stay. */
  openChord(chord: ChordRef, size: number, options: OpenChordOptions): Promise<void>
  /** Header parts added by a running part; none where their places were added before, by a run that came to nothing. */
  growChord(chord: ChordRef, by: number, places: readonly ChordPlace[]): Promise<void>
  /**
   * Counts one part, however often it is told of it. `complete` for the one that makes it so, `again` for whoever is told after
   * that and before `closeChord`: the body may have been sent by then.
   */
  joinChord(chord: ChordRef, part: ChordPart, options: JoinChordOptions): Promise<'waiting' | 'complete' | 'again'>
  /** The parts of a chord in the order of their index. */
  chordParts(chord: ChordRef): Promise<readonly TaskMeta[]>
  /** Undefined for a chord that is closed or unknown. */
  chordRecord(chord: ChordRef): Promise<ChordRecord | undefined>
  /** After the body is published. */
  closeChord(chord: ChordRef): Promise<void>
  /**
   * Takes on chords that nobody has dealt with for a while; who is told of one is the only one for as long again. Whoever counts
   * the last part normally sends the body within moments.
   */
  claimChords(options: ClaimChordsOptions): Promise<readonly ClaimedChord[]>
}

export interface OpenChordOptions extends StoreOptions {
  readonly body?: ChordBody | undefined
  /** The parts, as far as the sender knows them. */
  readonly places?: readonly ChordPlace[] | undefined
}

export interface JoinChordOptions extends StoreOptions {
  /** Kept with the chord unless it has one. */
  readonly body?: ChordBody | undefined
  /** Stores the part's result in the same step, as `store` does: nothing can come between the two. */
  readonly storesResult?: boolean | undefined
}

export interface ClaimChordsOptions {
  /** Complete for at least that long. */
  readonly completeMs: number
  /** Waiting, and not claimed or opened, for at least that long. */
  readonly waitingMs: number
  /** At most so many. */
  readonly limit: number
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
