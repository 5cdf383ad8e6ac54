import type { Clock } from '../core/clock.ts'
import { ConnectionError, EncodeError } from '../core/errors.ts'
import { randomId } from '../core/id.ts'
import type { ChordPlace, ChordRecord, ClaimedChord } from '../core/chord.ts'
import { type ChordRef, type GroupMeta, isReady, standingRank, stateRank, type TaskMeta } from '../core/states.ts'
import { jsonResultCodec, type ResultCodec } from '../serializers/result-codec.ts'
import { MemoryChord } from './memory-chord.ts'
import type {
  ChordPart,
  ClaimChordsOptions,
  JoinChordOptions,
  OpenChordOptions,
  ResultBackend,
  StoreOptions,
  StorePlan,
} from './result-backend.ts'

/** With its value as a reader in another process would get it. Throws EncodeError. */
function asStored(codec: ResultCodec, meta: TaskMeta): TaskMeta {
  if (isSimple(meta.result)) return meta
  try {
    return { ...meta, result: codec.decode(codec.encode(meta.result)) }
  } catch (error) {
    throw error instanceof EncodeError ? error.under('result') : error
  }
}

/** Every serializer gives it back as it is. */
function isSimple(value: unknown): boolean {
  return value === undefined || typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
}

/** Results in this process's memory: the reference for every other driver. Values go through the result serializer, as they do elsewhere. */
export class MemoryBackend implements ResultBackend {
  readonly name = 'memory'
  readonly #results: MemoryResults
  readonly #clock: Clock
  readonly #codec: ResultCodec
  readonly #closing = new AbortController()

  constructor(results: MemoryResults, deps: { readonly clock: Clock; readonly codec?: ResultCodec | undefined }) {
    this.#results = results
    this.#codec = deps.codec ?? jsonResultCodec()
    this.#clock = deps.clock
  }

  async connect(): Promise<void> {
    this.#now()
  }

  async close(): Promise<void> {
    this.#closing.abort()
  }

  async prepare(): Promise<void> {
    this.#now()
  }

  async store(metas: readonly TaskMeta[], options: StoreOptions): Promise<void> {
    const nowMs = this.#now()
    const stored = metas.map((meta) => asStored(this.#codec, meta))
    for (const meta of stored) this.#results.write(meta, options.ttlMs, nowMs)
  }

  plan(meta: TaskMeta, options: StoreOptions): StorePlan {
    return {
      driver: this.#results.driver,
      meta: asStored(this.#codec, meta),
      ttlMs: options.ttlMs,
      key: meta.id,
      text: '',
    }
  }

  async fetch(ids: readonly string[]): Promise<readonly (TaskMeta | undefined)[]> {
    const nowMs = this.#now()
    return ids.map((id) => this.#results.tasks.get(id, nowMs))
  }

  async *watch(ids: readonly string[], signal: AbortSignal): AsyncGenerator<TaskMeta> {
    const nowMs = this.#now()
    const waiting = new Set(ids)
    const changes: TaskMeta[] = []
    let wake = (): void => {}
    const ended = AbortSignal.any([signal, this.#closing.signal])
    const onEnd = (): void => wake()
    ended.addEventListener('abort', onEnd)
    const unwatch = this.#results.onChange(waiting, (meta) => {
      changes.push(meta)
      wake()
    })
    try {
      for (const id of waiting) {
        const current = this.#results.tasks.get(id, nowMs)
        if (current) changes.push(current)
      }
      while (waiting.size > 0 && !signal.aborted) {
        this.#now()
        const meta = changes.shift()
        if (meta) {
          if (isReady(meta.state)) waiting.delete(meta.id)
          yield meta
        } else {
          await new Promise<void>((resolve) => {
            wake = resolve
          })
        }
      }
    } finally {
      ended.removeEventListener('abort', onEnd)
      unwatch()
    }
  }

  async forget(id: string): Promise<void> {
    this.#now()
    this.#results.tasks.delete(id)
  }

  async storeGroup(group: GroupMeta, options: StoreOptions): Promise<void> {
    this.#results.groups.set(group.id, group, options.ttlMs, this.#now())
  }

  async fetchGroup(id: string): Promise<GroupMeta | undefined> {
    return this.#results.groups.get(id, this.#now())
  }

  async dropGroup(id: string): Promise<void> {
    this.#now()
    this.#results.groups.delete(id)
  }

  async openChord(chord: ChordRef, size: number, options: OpenChordOptions): Promise<void> {
    const nowMs = this.#now()
    this.#chord(chord, options, nowMs).open(size, options.places ?? [], nowMs)
  }

  async growChord(chord: ChordRef, by: number, places: readonly ChordPlace[]): Promise<void> {
    const nowMs = this.#now()
    this.#results.chords.get(chord.groupId, nowMs)?.grow(by, places, nowMs)
  }

  async joinChord(
    chord: ChordRef,
    part: ChordPart,
    options: JoinChordOptions,
  ): Promise<'waiting' | 'complete' | 'again'> {
    const nowMs = this.#now()
    const meta = asStored(this.#codec, part.meta)
    if (options.storesResult) this.#results.write(meta, options.ttlMs, nowMs)
    return this.#chord(chord, options, nowMs).join({ ...part, meta }, nowMs)
  }

  async chordParts(chord: ChordRef): Promise<readonly TaskMeta[]> {
    return this.#results.chords.get(chord.groupId, this.#now())?.inOrder() ?? []
  }

  async chordRecord(chord: ChordRef): Promise<ChordRecord | undefined> {
    return this.#results.chords.get(chord.groupId, this.#now())?.record()
  }

  async closeChord(chord: ChordRef): Promise<void> {
    this.#results.chords.get(chord.groupId, this.#now())?.close()
  }

  async claimChords(options: ClaimChordsOptions): Promise<readonly ClaimedChord[]> {
    const nowMs = this.#now()
    return [...this.#results.chords.entries(nowMs)]
      .filter(([, chord]) => chord.isQuiet(options, nowMs))
      .toSorted(([, a], [, b]) => Number(b.complete) - Number(a.complete))
      .slice(0, options.limit)
      .map(([groupId, chord]) => ({ groupId, complete: chord.touch(nowMs).complete }))
  }

  #chord(chord: ChordRef, options: OpenChordOptions, nowMs: number): MemoryChord {
    const known = this.#results.chords.get(chord.groupId, nowMs)
    const found = known ?? new MemoryChord(nowMs)
    found.body ??= options.body
    if (!known) this.#results.chords.set(chord.groupId, found, options.ttlMs, nowMs)
    return found
  }

  #now(): number {
    if (this.#closing.signal.aborted) {
      throw new ConnectionError('The memory result backend is closed. Open another one on the same results.')
    }
    return this.#clock.now()
  }
}

/**
 * What the memory backends of one process share. Give it to the memory broker as well, and an acknowledgement stores the
 * result in the same step.
 */
export class MemoryResults {
  /** Names this store in plans; no two stores have the same. */
  readonly driver: string = `memory:${randomId()}`
  /** @internal */
  readonly tasks = new Expiring<TaskMeta>()
  /** @internal */
  readonly groups = new Expiring<GroupMeta>()
  /** @internal */
  readonly chords = new Expiring<MemoryChord>()
  readonly #watchers = new Map<string, Set<(meta: TaskMeta) => void>>()

  /** For the broker: what `store` does. */
  carryOut(plan: StorePlan, nowMs: number): void {
    this.write(plan.meta, plan.ttlMs, nowMs)
  }

  /** @internal A state never goes back: see `stateRank`. */
  write(meta: TaskMeta, ttlMs: number, nowMs: number): void {
    const before = standingRank(this.tasks.get(meta.id, nowMs)?.state ?? 'PENDING')
    if (before === 2 || before > stateRank(meta.state)) return
    this.tasks.set(meta.id, meta, ttlMs, nowMs)
    for (const hear of this.#watchers.get(meta.id) ?? []) hear(meta)
  }

  /** @internal Calls `hear` with each change of the named tasks until the returned function is called. */
  onChange(ids: Iterable<string>, hear: (meta: TaskMeta) => void): () => void {
    const watched = [...ids]
    for (const id of watched) this.#watchers.set(id, (this.#watchers.get(id) ?? new Set()).add(hear))
    return () => {
      for (const id of watched) {
        const left = this.#watchers.get(id)
        left?.delete(hear)
        if (left?.size === 0) this.#watchers.delete(id)
      }
    }
  }
}

/** A map whose entries are gone after their time to live; 0 keeps for ever. */
class Expiring<T> {
  readonly #entries = new Map<string, { readonly value: T; readonly untilMs: number }>()
  #sweepAtMs = 0

  get(key: string, nowMs: number): T | undefined {
    const entry = this.#entries.get(key)
    return entry && entry.untilMs > nowMs ? entry.value : undefined
  }

  set(key: string, value: T, ttlMs: number, nowMs: number): void {
    this.#sweep(nowMs)
    this.#entries.set(key, { value, untilMs: ttlMs === 0 ? Infinity : nowMs + ttlMs })
  }

  delete(key: string): void {
    this.#entries.delete(key)
  }

  *entries(nowMs: number): Generator<[string, T]> {
    for (const [key, entry] of this.#entries) if (entry.untilMs > nowMs) yield [key, entry.value]
  }

  // With the writes, so that no timer is needed and an idle store costs nothing.
  #sweep(nowMs: number): void {
    if (nowMs < this.#sweepAtMs) return
    this.#sweepAtMs = nowMs + sweepEveryMs
    for (const [key, entry] of this.#entries) if (entry.untilMs <= nowMs) this.#entries.delete(key)
  }
}

const sweepEveryMs = 60_000
