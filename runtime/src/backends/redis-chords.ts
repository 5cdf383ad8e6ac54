import type { Clock } from '../core/clock.ts'
import type { ChordRef } from '../core/states.ts'
import type { RedisConnection } from '../drivers/redis-connection.ts'
import { listOf, textsOf } from '../drivers/redis-reply.ts'
import type { ResultCodec, ResultDocument } from '../serializers/result-codec.ts'
import type { RedisLayout } from '../wire/redis-layout.ts'
import { chordPart } from '../wire/result-meta.ts'
import { argumentOf, documentOf } from './redis-documents.ts'
import { chordStateScript, closeChordScript, joinChordScript, openChordScript } from './redis-scripts.ts'
import type { ChordPart, StoreOptions } from './result-backend.ts'

/**
 * Chords as Celery keeps them: the parts in a sorted set by index, their number in a key of its own. Beside it a set of the
 * chords that are open, for the sweep; Celery neither writes nor misses it.
 * Source: celery/backends/redis.py, RedisBackend.on_chord_part_return.
 */
export class RedisChords {
  readonly #connection: RedisConnection
  readonly #layout: RedisLayout
  readonly #clock: Clock
  readonly #codec: ResultCodec

  constructor(connection: RedisConnection, layout: RedisLayout, clock: Clock, codec: ResultCodec) {
    this.#connection = connection
    this.#layout = layout
    this.#clock = clock
    this.#codec = codec
  }

  async open({ groupId }: ChordRef, size: number, options: StoreOptions): Promise<void> {
    const args = [groupId, this.#clock.now(), Math.ceil(options.ttlMs), size]
    await this.#connection.run(openChordScript, this.#keys(groupId), args)
  }

  async grow({ groupId }: ChordRef, by: number): Promise<void> {
    await this.#connection.call('INCRBY', this.#layout.chordAddedKey(groupId), by)
  }

  async join({ groupId }: ChordRef, part: ChordPart, options: StoreOptions): Promise<'waiting' | 'complete'> {
    const index = part.index ?? '+inf'
    const document = argumentOf(this.#codec.encode(chordPart(part.meta)))
    const args = [groupId, this.#clock.now(), Math.ceil(options.ttlMs), index, part.meta.id, document]
    return (await this.#connection.run(joinChordScript, this.#keys(groupId), args)) === 1 ? 'complete' : 'waiting'
  }

  /** One document per part, in the order of their index. */
  async parts({ groupId }: ChordRef): Promise<readonly ResultDocument[]> {
    const key = this.#layout.chordPartsKey(groupId)
    const range = this.#codec.isJson
      ? await this.#connection.call('ZRANGE', key, 0, -1)
      : await this.#connection.callBytes('ZRANGE', key, 0, -1)
    return listOf(range)
      .map(documentOf)
      .filter((one) => one !== undefined)
  }

  async close({ groupId }: ChordRef): Promise<void> {
    await this.#connection.run(closeChordScript, this.#keys(groupId), [groupId])
  }

  async openSince(olderThanMs: number): Promise<readonly ChordRef[]> {
    const latest = this.#clock.now() - olderThanMs
    const ids = await this.#connection.call('ZRANGEBYSCORE', this.#layout.openChordsKey, '-inf', latest)
    const found: ChordRef[] = []
    for (const groupId of textsOf(ids)) {
      const state = await this.#connection.run(chordStateScript, this.#keys(groupId), [groupId])
      if (state === 1) found.push({ groupId })
    }
    return found
  }

  #keys(groupId: string): string[] {
    const { chordPartsKey, chordAddedKey, chordSizeKey, ownResultKey, openChordsKey } = this.#layout
    const own = ownResultKey(`chord.${groupId}`)
    return [chordPartsKey(groupId), chordAddedKey(groupId), chordSizeKey(groupId), own, openChordsKey]
  }
}
