import type { ChordBody, ChordPlace, ChordRecord, ClaimedChord } from '../core/chord.ts'
import type { Clock } from '../core/clock.ts'
import { type ChordRef, stateRank } from '../core/states.ts'
import type { RedisConnection } from '../drivers/redis-connection.ts'
import { listOf, textsOf } from '../drivers/redis-reply.ts'
import type { ResultDocument } from '../serializers/result-codec.ts'
import { chordBodyToDict, dictToChordBody, listToPlaces, placesToList } from '../wire/chord-dict.ts'
import type { RedisLayout } from '../wire/redis-layout.ts'
import { chordPart, metaToDict } from '../wire/result-meta.ts'
import { KnownBodies } from './known-bodies.ts'
import { argumentOf, documentOf, type RedisDocuments } from './redis-documents.ts'
import {
  claimChordScript,
  closeChordScript,
  growChordScript,
  joinChordScript,
  openChordScript,
} from './redis-scripts.ts'
import type { ChordPart, ClaimChordsOptions, JoinChordOptions, OpenChordOptions } from './result-backend.ts'

/**
 * Chords as Celery keeps them: the parts in a sorted set by index, their number in a key of its own. Beside it keys of tq that
 * Celery neither writes nor misses: what is needed to send the body, and which chords wait or are complete.
 * Source: celery/backends/redis.py, RedisBackend.on_chord_part_return.
 */
export class RedisChords {
  readonly #connection: RedisConnection
  readonly #layout: RedisLayout
  readonly #clock: Clock
  readonly #documents: RedisDocuments
  readonly #bodies = new KnownBodies()

  constructor(connection: RedisConnection, layout: RedisLayout, clock: Clock, documents: RedisDocuments) {
    this.#connection = connection
    this.#layout = layout
    this.#clock = clock
    this.#documents = documents
  }

  async open({ groupId }: ChordRef, size: number, { ttlMs, body, places }: OpenChordOptions): Promise<void> {
    const texts = [this.#bodyArgument(body), places ? this.#argument(placesToList(places)) : '']
    const args = [groupId, this.#clock.now(), Math.ceil(ttlMs), size, ...texts]
    await this.#connection.run(openChordScript, this.#keys(groupId), args)
    if (body) this.#bodies.add(groupId)
  }

  async grow({ groupId }: ChordRef, by: number, places: readonly ChordPlace[]): Promise<void> {
    const args = [by, ...places.flatMap(({ id, index }) => [id, index ?? ''])]
    await this.#connection.run(growChordScript, this.#keys(groupId), args)
  }

  async join(
    { groupId }: ChordRef,
    { index, meta }: ChordPart,
    { ttlMs, body, storesResult }: JoinChordOptions,
  ): Promise<'waiting' | 'complete' | 'again'> {
    const { codec } = this.#documents
    const resultKey = this.#layout.resultKey(meta.id)
    // The script cannot read the state in a document that is no JSON: two steps then.
    if (storesResult && !codec.isJson) await this.#documents.store([{ key: resultKey, meta }], ttlMs)
    const bodyText = this.#bodies.has(groupId) ? '' : this.#bodyArgument(body)
    const args = [
      groupId,
      this.#clock.now(),
      Math.ceil(ttlMs),
      index ?? '+inf',
      meta.id,
      this.#argument(chordPart(meta)),
      bodyText,
      ...(storesResult && codec.isJson ? [stateRank(meta.state), this.#argument(metaToDict(meta))] : []),
    ]
    const answer = await this.#connection.run(joinChordScript, [...this.#keys(groupId), resultKey], args)
    if (body) this.#bodies.add(groupId)
    if (answer === 0) return 'waiting'
    return answer === 1 ? 'complete' : 'again'
  }

  /** One document per part, in the order of their index. */
  async parts({ groupId }: ChordRef): Promise<readonly ResultDocument[]> {
    const key = this.#layout.chordPartsKey(groupId)
    const range = this.#documents.codec.isJson
      ? await this.#connection.call('ZRANGE', key, 0, -1)
      : await this.#connection.callBytes('ZRANGE', key, 0, -1)
    return listOf(range)
      .map(documentOf)
      .filter((one) => one !== undefined)
  }

  /** Throws DecodeError. */
  async record({ groupId }: ChordRef): Promise<ChordRecord | undefined> {
    const [size, added] = await this.#documents.read([
      this.#layout.chordSizeKey(groupId),
      this.#layout.chordAddedKey(groupId),
    ])
    const fields = listOf(await this.#connection.callBytes('HGETALL', this.#recordKey(groupId))).map(documentOf)
    if (size === undefined && fields.length === 0) return undefined
    const record: { body?: ChordBody; places: ChordPlace[] } = { places: [] }
    const grown: ChordPlace[] = []
    for (let at = 0; at < fields.length; at += 2) {
      const [name, value] = [textOf(fields[at]), fields[at + 1] ?? '']
      if (name === 'body') record.body = dictToChordBody(this.#documents.codec.decode(value))
      else if (name === 'places') record.places.push(...listToPlaces(this.#documents.codec.decode(value)))
      else grown.push({ id: name.slice(1), index: textOf(value) === '' ? undefined : Number(textOf(value)) })
    }
    const known = size === undefined ? undefined : Number(textOf(size)) + Number(textOf(added) || 0)
    return { size: known, body: record.body, places: [...record.places, ...grown] }
  }

  async close({ groupId }: ChordRef): Promise<void> {
    await this.#connection.run(closeChordScript, this.#keys(groupId), [groupId])
    this.#bodies.delete(groupId)
  }

  async claim({ completeMs, waitingMs, limit }: ClaimChordsOptions): Promise<readonly ClaimedChord[]> {
    const { completeChordsKey, openChordsKey } = this.#layout
    const complete = await this.#claimAmong(completeChordsKey, true, completeMs, limit)
    return [...complete, ...(await this.#claimAmong(openChordsKey, false, waitingMs, limit - complete.length))]
  }

  async #claimAmong(key: string, complete: boolean, quietMs: number, limit: number): Promise<readonly ClaimedChord[]> {
    if (limit <= 0) return []
    const nowMs = this.#clock.now()
    const untilMs = nowMs - quietMs
    const ids = textsOf(await this.#connection.call('ZRANGEBYSCORE', key, '-inf', untilMs, 'LIMIT', 0, limit))
    const claimed: ClaimedChord[] = []
    for (const groupId of ids) {
      const args = [groupId, nowMs, complete ? 1 : 0, untilMs]
      const answer = await this.#connection.run(claimChordScript, this.#keys(groupId), args)
      if (answer !== -1) claimed.push({ groupId, complete })
    }
    return claimed
  }

  #bodyArgument(body: ChordBody | undefined): string | Buffer {
    return body ? this.#argument(chordBodyToDict(body)) : ''
  }

  #argument(value: unknown): string | Buffer {
    return argumentOf(this.#documents.codec.encode(value))
  }

  #recordKey(groupId: string): string {
    return this.#layout.ownResultKey(`chord.${groupId}.record`)
  }

  #keys(groupId: string): string[] {
    const { chordPartsKey, chordAddedKey, chordSizeKey, ownResultKey, openChordsKey, completeChordsKey } = this.#layout
    const texts = ownResultKey(`chord.${groupId}`)
    const counted = [chordPartsKey(groupId), chordAddedKey(groupId), chordSizeKey(groupId), texts]
    return [...counted, this.#recordKey(groupId), openChordsKey, completeChordsKey]
  }
}

function textOf(value: ResultDocument | undefined): string {
  return typeof value === 'string' ? value : Buffer.from(value ?? []).toString()
}
