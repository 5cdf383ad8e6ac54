import type { ChordBody, ChordPlace, ChordRecord } from '../core/chord.ts'
import type { TaskMeta } from '../core/states.ts'
import type { ChordPart, ClaimChordsOptions } from './result-backend.ts'

/**
 * One chord: the parts of its header that have ended, and what is known of it. It is complete once it knows its size and has as
 * many parts, and closed for good.
 */
export class MemoryChord {
  body: ChordBody | undefined
  // By task id: a part that is delivered twice is one part.
  readonly #parts = new Map<string, ChordPart>()
  #places: readonly ChordPlace[] = []
  #addedPlaces: readonly ChordPlace[] = []
  #size: number | undefined
  /** Parts beyond that; apart from it, since a running part may add some before the chord is opened. */
  #added = 0
  #complete = false
  #touchedMs: number
  #closed = false

  constructor(nowMs: number) {
    this.#touchedMs = nowMs
  }

  open(size: number, places: readonly ChordPlace[], nowMs: number): void {
    this.#size = size
    this.#places = places
    this.#count(nowMs)
  }

  grow(by: number, places: readonly ChordPlace[], nowMs: number): void {
    if (places.some(({ id }) => this.#addedPlaces.some((known) => known.id === id))) return
    this.#added += by
    this.#addedPlaces = [...this.#addedPlaces, ...places]
    this.#count(nowMs)
  }

  join(part: ChordPart, nowMs: number): 'waiting' | 'complete' | 'again' {
    if (this.#closed) return 'waiting'
    const before = this.#complete
    if (!this.#parts.has(part.meta.id)) this.#parts.set(part.meta.id, part)
    this.#count(nowMs)
    if (!this.#complete) return 'waiting'
    return before ? 'again' : 'complete'
  }

  get complete(): boolean {
    return this.#complete
  }

  inOrder(): readonly TaskMeta[] {
    const parts = [...this.#parts.values()]
    return parts.toSorted((a, b) => (a.index ?? Infinity) - (b.index ?? Infinity) || 0).map((part) => part.meta)
  }

  record(): ChordRecord | undefined {
    if (this.#closed) return undefined
    const size = this.#size === undefined ? undefined : this.#size + this.#added
    return { size, body: this.body, places: [...this.#places, ...this.#addedPlaces] }
  }

  isQuiet({ completeMs, waitingMs }: ClaimChordsOptions, nowMs: number): boolean {
    return !this.#closed && nowMs - this.#touchedMs >= (this.#complete ? completeMs : waitingMs)
  }

  /** Somebody deals with it now. */
  touch(nowMs: number): this {
    this.#touchedMs = nowMs
    return this
  }

  // Stays known until it expires: a part that joins late must not open it again.
  close(): void {
    this.#closed = true
    this.#complete = false
    this.#parts.clear()
  }

  #count(nowMs: number): void {
    const complete = !this.#closed && this.#size !== undefined && this.#parts.size >= this.#size + this.#added
    if (complete && !this.#complete) this.#touchedMs = nowMs
    this.#complete = complete
  }
}
