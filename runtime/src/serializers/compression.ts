import { distance } from 'fastest-levenshtein'
import { DecodeError, SettingError } from '../core/errors.ts'
import { isTooLarge } from './compression-limit.ts'
import { builtinCompressions } from './compressions.ts'

/** Bytes to fewer bytes and back, under names and a content type. */
export interface Compression {
  /** As in `taskCompression`: `gzip`. */
  readonly name: string
  /** Further names of the same method. */
  readonly aliases?: readonly string[] | undefined
  /** As in the message's header: `application/x-gzip`. */
  readonly contentType: string
  compress(bytes: Uint8Array): Uint8Array
  /** May stop with any error once the result is larger than `maxBytes` (Infinity: no limit): it would be refused. */
  decompress(bytes: Uint8Array, maxBytes: number): Uint8Array
}

/** Stands for no compression where a task or a setting names one. */
export const noCompression = 'none'

/**
 * The compressions of an app, by name, alias and content type, as kombu has them. A body that would grow beyond `maxBytes` is refused.
 * Source: kombu/compression.py.
 */
export class CompressionRegistry {
  readonly #byName = new Map<string, Compression>()
  readonly #names: string[] = []
  readonly #maxBytes: () => number

  /** `maxBytes` is asked at each decompression; 0 is no limit. */
  constructor(maxBytes: () => number = () => 0, builtIn: readonly Compression[] = builtinCompressions()) {
    this.#maxBytes = maxBytes
    for (const compression of builtIn) this.register(compression)
  }

  /** Adds a method, or replaces the one of the same name. */
  register(compression: Compression): this {
    const { name, aliases = [], contentType } = compression
    if (!contentType.includes('/')) {
      throw new SettingError(
        `expected contentType of compression '${name}' to be a type such as application/x-${name}, got '${contentType}'`,
      )
    }
    for (const one of [name, ...aliases]) {
      if (!this.#byName.has(one)) this.#names.push(one)
      this.#byName.set(one, compression)
    }
    this.#byName.set(contentType, compression)
    return this
  }

  /** Throws SettingError for a name that nobody knows. */
  get(name: string): Compression {
    const compression = this.#byName.get(name)
    if (compression) return compression
    const near = this.#names.find((each) => distance(each, name.toLowerCase()) <= 2)
    throw new SettingError(
      `Compression '${name}' does not exist. ${near === undefined ? `Known are ${this.#names.join(', ')}; add others with app.compressions.register().` : `Did you mean '${near}'?`}`,
    )
  }

  /** What was compressed as `contentType` (or a name) says. Throws DecodeError. */
  decompress(bytes: Uint8Array, contentType: string): Uint8Array {
    const compression = this.#byName.get(contentType) ?? this.#byName.get(contentType.trim().toLowerCase())
    if (!compression) {
      throw new DecodeError(
        `The body is compressed as ${JSON.stringify(contentType.slice(0, 100))}, which this app does not know. Add it with app.compressions.register().`,
      )
    }
    const maxBytes = this.#maxBytes() || Infinity
    let plain: Uint8Array
    try {
      plain = compression.decompress(bytes, maxBytes)
    } catch (error) {
      if (error instanceof SettingError) throw new DecodeError(error.message, { cause: error })
      if (isTooLarge(error)) throw tooLarge(compression, bytes, maxBytes, error)
      const reason = error instanceof Error ? error.message : String(error)
      throw new DecodeError(`Body is not ${compression.contentType}: ${reason}`, { cause: error })
    }
    if (plain.byteLength > maxBytes) throw tooLarge(compression, bytes, maxBytes)
    return plain
  }
}

function tooLarge({ contentType }: Compression, bytes: Uint8Array, maxBytes: number, cause?: unknown): DecodeError {
  return new DecodeError(
    `${bytes.byteLength} bytes of ${contentType} would grow beyond ${maxBytes} bytes, which may be an attack; nothing was kept. Raise maxDecompressedBytes if it is not.`,
    { cause },
  )
}
