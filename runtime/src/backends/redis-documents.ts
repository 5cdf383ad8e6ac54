import { createHash } from 'node:crypto'
import { standingRank, stateRank, type TaskMeta } from '../core/states.ts'
import type { RedisConnection } from '../drivers/redis-connection.ts'
import { listOf } from '../drivers/redis-reply.ts'
import type { ResultCodec, ResultDocument } from '../serializers/result-codec.ts'
import { dictToMeta, metaToDict } from '../wire/result-meta.ts'
import { storeScript, swapScript } from './redis-scripts.ts'

const batchLimit = 200

/** Result documents under their keys, in the form of the codec: texts where that is JSON, else bytes. */
export class RedisDocuments {
  readonly codec: ResultCodec
  readonly #connection: RedisConnection

  constructor(connection: RedisConnection, codec: ResultCodec) {
    this.#connection = connection
    this.codec = codec
  }

  /** In the order of the keys; undefined where nothing is. */
  async read(keys: readonly string[]): Promise<readonly (ResultDocument | undefined)[]> {
    const { codec } = this
    const values = listOf(
      codec.isJson ? await this.#connection.call('MGET', ...keys) : await this.#connection.callBytes('MGET', ...keys),
    )
    return keys.map((_, at) => documentOf(values[at]))
  }

  decodeMeta(document: ResultDocument): TaskMeta {
    return dictToMeta(this.codec.decode(document))
  }

  /** Stores each unless a more final state stands there, and announces it. */
  async store(entries: readonly Entry[], ttlMs: number): Promise<void> {
    const ttl = Math.ceil(ttlMs)
    const writes: Promise<unknown>[] = []
    for (let from = 0; from < entries.length; from += batchLimit) {
      const batch = entries.slice(from, from + batchLimit)
      writes.push(this.codec.isJson ? this.#storeJson(batch, ttl) : this.#swap(batch, ttl))
    }
    await Promise.all(writes)
  }

  async #storeJson(batch: readonly Entry[], ttl: number): Promise<void> {
    const args: (string | number | Buffer)[] = [ttl]
    for (const { meta } of batch) args.push(stateRank(meta.state), argumentOf(this.codec.encode(metaToDict(meta))))
    const keys = batch.map(({ key }) => key)
    await this.#connection.run(storeScript, keys, args)
  }

  /** The server cannot read the state in the old document: we do, and write only if it is still the same. */
  async #swap(entries: readonly Entry[], ttl: number): Promise<void> {
    let left = entries.map(({ key, meta }) => ({ key, meta, document: this.codec.encode(metaToDict(meta)) }))
    while (left.length > 0) {
      const seen = await this.read(left.map(({ key }) => key))
      const olds = new Map(left.map((entry, at) => [entry, seen[at]]))
      const wanted = left.filter((entry) => mayReplace(this.#rankOf(olds.get(entry)), stateRank(entry.meta.state)))
      if (wanted.length === 0) return
      const args: (string | number | Buffer)[] = [ttl]
      for (const entry of wanted) args.push(sha1(olds.get(entry)), argumentOf(entry.document))
      const keys = wanted.map(({ key }) => key)
      const digits = String(await this.#connection.run(swapScript, keys, args))
      left = wanted.filter((_, at) => digits[at] !== '1')
    }
  }

  /** Something unreadable, maybe of another serializer, gives way. */
  #rankOf(document: ResultDocument | undefined): 0 | 1 | 2 {
    if (document === undefined) return 0
    try {
      return standingRank(this.decodeMeta(document).state)
    } catch {
      return 0
    }
  }
}

interface Entry {
  readonly key: string
  readonly meta: TaskMeta
}

function mayReplace(old: 0 | 1 | 2, next: 0 | 1 | 2): boolean {
  return old < 2 && next >= old
}

/** As the driver takes it. */
export function argumentOf(document: ResultDocument): string | Buffer {
  return typeof document === 'string'
    ? document
    : Buffer.from(document.buffer, document.byteOffset, document.byteLength)
}

/** What an answer of either form holds. */
export function documentOf(value: unknown): ResultDocument | undefined {
  return typeof value === 'string' || value instanceof Uint8Array ? value : undefined
}

export function isSameDocument(a: ResultDocument | undefined, b: ResultDocument): boolean {
  if (a === undefined || typeof a === 'string' || typeof b === 'string') return a === b
  return Buffer.compare(a, b) === 0
}

function sha1(document: ResultDocument | undefined): string {
  return document === undefined ? '' : createHash('sha1').update(document).digest('hex')
}
