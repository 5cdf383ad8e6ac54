import { finishChord, joinChord } from '../app/chord-join.ts'
import { outsideTask } from '../app/context.ts'
import type { TqApp } from '../app/tq.ts'
import type { ResultBackend } from '../backends/result-backend.ts'
import type { ChordRecord, ClaimedChord } from '../core/chord.ts'
import type { Timer } from '../core/clock.ts'
import { ConnectionError } from '../core/errors.ts'
import { type ChordRef, isReady } from '../core/states.ts'

/** Chords that one look takes on at most: the rest is for the next one, or for another worker. */
const mostPerLook = 50
/** Missing parts that are asked for in one go. */
const partsPerFetch = 500
/** A chord that waits is looked at so much more seldom than one that is complete: its parts may simply be running. */
const waitingFactor = 12

export interface SweepDeps {
  readonly app: TqApp
  readonly backend: ResultBackend
  /** How often to look, and how long nobody must have dealt with a chord (ms); 0 is never. */
  readonly everyMs: number
}

/**
 * Looks after chords whose worker died in the wrong moment: a body that nobody sent after the last part was counted is sent, a part
 * that has a result and was not counted is counted. Every worker looks; the backend gives each chord to one of them at a time, so
 * that no leader is needed whose own death would have to be noticed. Whatever is done twice has the same ids, and says so.
 */
export class ChordSweep {
  readonly #deps: SweepDeps
  #timer: Timer | undefined
  #looking: Promise<void> | undefined
  #closed = false

  constructor(deps: SweepDeps) {
    this.#deps = deps
  }

  start(): void {
    const { app, backend, everyMs } = this.#deps
    if (backend.countsChords === false || everyMs === 0) return
    this.#timer = app.clock.interval(everyMs, () => {
      this.#looking ??= outsideTask(() => this.look()).finally(() => {
        this.#looking = undefined
      })
    })
  }

  /** Resolves when what is under way has ended. */
  async close(): Promise<void> {
    this.#closed = true
    this.#timer?.cancel()
    await this.#looking
  }

  /** One look. Never rejects: what fails is tried again by whoever looks next. */
  async look(): Promise<void> {
    const { app, backend, everyMs } = this.#deps
    try {
      const limits = { completeMs: everyMs, waitingMs: everyMs * waitingFactor, limit: mostPerLook }
      for (const chord of await backend.claimChords(limits)) {
        if (this.#closed) return
        await this.#lookAfter(chord)
      }
    } catch (error) {
      // A server that is away is told of by the connection itself.
      const level = error instanceof ConnectionError ? 'debug' : 'warn'
      app.logger[level](
        `Could not look after chords that were left; that is tried again in ${everyMs / 1000} s. ${String(error)}`,
      )
    }
  }

  /** What is wrong with one chord, its body's queue for one, must not keep the others waiting. Rejects where the server is away. */
  async #lookAfter({ groupId, complete }: ClaimedChord): Promise<void> {
    const { app, backend } = this.#deps
    try {
      const record = await backend.chordRecord({ groupId })
      if (record?.body === undefined) return
      if (complete) await this.#finish({ groupId }, record)
      else await this.#countEnded({ groupId }, record)
    } catch (error) {
      if (error instanceof ConnectionError) throw error
      app.logger.warn(`Could not look after chord ${groupId}; that is tried again later. ${String(error)}`)
    }
  }

  async #finish(chord: ChordRef, { body }: ChordRecord): Promise<void> {
    const { app, backend } = this.#deps
    const last = (await backend.chordParts(chord)).at(-1)
    if (!body || !last) return
    app.logger.warn(
      `Chord ${chord.groupId} is complete, but its body was not sent: whoever was to send it is gone. Sending it now.`,
    )
    await finishChord(this.#chords(), chord, body, { parentId: last.id, again: true })
  }

  async #countEnded(chord: ChordRef, { body, places }: ChordRecord): Promise<void> {
    const { app, backend } = this.#deps
    const counted = new Set((await backend.chordParts(chord)).map(({ id }) => id))
    const missing = places.filter(({ id }) => !counted.has(id))
    for (let from = 0; from < missing.length && !this.#closed; from += partsPerFetch) {
      const some = missing.slice(from, from + partsPerFetch)
      const metas = await backend.fetch(some.map(({ id }) => id))
      for (const [at, { id, index }] of some.entries()) {
        const meta = metas[at]
        if (!body || !meta || !isReady(meta.state)) continue
        app.logger.warn(`Part ${id} of chord ${chord.groupId} had ended without being counted. It counts now.`)
        const member = { id, rootId: body.rootId, groupId: chord.groupId, groupIndex: index, chord: body.signature }
        await joinChord(this.#chords(), member, meta)
      }
    }
  }

  #chords() {
    const { app, backend } = this.#deps
    return { app, backend, ttlMs: app.settings.resultExpires * 1000 }
  }
}
