import type { SignatureData } from './signature.ts'
import type { ChordRef } from './states.ts'

/** What has to be known to send a chord's body, by whoever does it in the end. */
export interface ChordBody {
  /** With its ids, so that sending it again is the same call. */
  readonly signature: SignatureData
  readonly rootId: string
}

/** A task that ends a member of a header, and its place among the results. */
export interface ChordPlace {
  readonly id: string
  readonly index: number | undefined
}

/** What is kept of a chord until its body was sent. */
export interface ChordRecord {
  /** Parts it waits for, those that were added included; undefined until it was opened. */
  readonly size: number | undefined
  /** Undefined where Python sent the chord and no part of it has ended here yet. */
  readonly body: ChordBody | undefined
  /** Its parts as far as they are known: those of chords that tq sent. */
  readonly places: readonly ChordPlace[]
}

/** A chord that nobody has dealt with for a while. */
export interface ClaimedChord extends ChordRef {
  /** True: its body is to be sent. False: parts of it have not been counted. */
  readonly complete: boolean
}
