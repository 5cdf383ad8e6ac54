import { distance } from 'fastest-levenshtein'
import { ContentRefusedError, DecodeError, SettingError } from '../core/errors.ts'
import { jsonSerializer } from './json.ts'

/** Values to bytes and back, under a name and a content type. `encode` throws EncodeError, `decode` DecodeError. */
export interface Serializer {
  /** As in `taskSerializer`: `json`. */
  readonly name: string
  readonly contentType: string
  /** `utf-8` for text, `binary` for bytes that are no text. */
  readonly contentEncoding: string
  encode(value: unknown): Uint8Array
  decode(bytes: Uint8Array): unknown
}

/** The part of a message that says how to read its body. */
export interface EncodedBody {
  readonly body: Uint8Array
  readonly contentType: string
  readonly contentEncoding: string
}

/**
 * The serializers of an app and the content types it accepts. `accept` holds names (`json`) or mime types; nothing else is
 * ever decoded, and pickle not even then. Throws SettingError for a name that nobody knows.
 * Source: kombu/serialization.py, SerializerRegistry.loads; celery's `accept_content`.
 */
export class SerializerRegistry {
  readonly #byName = new Map<string, Serializer>()
  readonly #accepted = new Map<string, Serializer | undefined>()
  readonly #accept: readonly string[]

  constructor(accept: readonly string[], serializers: readonly Serializer[] = [jsonSerializer()]) {
    this.#accept = accept
    const byType = new Map<string, Serializer>()
    for (const serializer of serializers) {
      this.#byName.set(serializer.name, serializer)
      byType.set(serializer.contentType, serializer)
    }
    for (const wanted of accept) {
      const contentType = this.#contentTypeOf(wanted)
      this.#accepted.set(contentType, byType.get(contentType))
    }
  }

  /** The serializer of this name. Throws SettingError for pickle, for a name without a serializer, for an unknown name. */
  get(name: string): Serializer {
    const serializer = this.#byName.get(name)
    if (serializer) return serializer
    if (name === 'pickle') throw new SettingError(`Serializer 'pickle' cannot be used: ${pickleRefusal}`)
    if (contentTypes.has(name)) throw new SettingError(`Serializer '${name}' is known but not installed in this app.`)
    throw this.#unknown(name)
  }

  /** The value in a body. Throws ContentRefusedError for a type that is not accepted, DecodeError for damaged bytes. */
  decode(raw: EncodedBody): unknown {
    const serializer = this.#accepted.get(raw.contentType) ?? this.#serializerFor(raw.contentType)
    const bytes = serializer.contentEncoding === 'utf-8' ? toUtf8(raw) : raw.body
    try {
      return serializer.decode(bytes)
    } catch (error) {
      if (error instanceof DecodeError) throw error
      throw new DecodeError(`Body is not ${serializer.contentType}: ${messageOf(error)}`, { cause: error })
    }
  }

  /** The slow way, for a content type with parameters or one that is refused. */
  #serializerFor(contentType: string): Serializer {
    const bare = (contentType.split(';', 1)[0] ?? '').trim().toLowerCase() || 'application/data'
    const serializer = this.#accepted.get(bare)
    if (serializer) return serializer
    if (pickleTypes.has(bare)) throw new ContentRefusedError(`Refused content type ${bare}: ${pickleRefusal}`)
    const shown = JSON.stringify(bare.slice(0, 100))
    if (this.#accepted.has(bare)) {
      throw new ContentRefusedError(`Content type ${shown} is accepted, but this app has no serializer for it.`)
    }
    const accepted = this.#accept.join(', ') || 'nothing'
    throw new ContentRefusedError(
      `Refused content type ${shown}: accepted are ${accepted}. Add it to acceptContent if you trust its senders.`,
    )
  }

  #contentTypeOf(wanted: string): string {
    if (wanted === 'pickle' || pickleTypes.has(wanted)) {
      throw new SettingError(`'${wanted}' cannot be in acceptContent: ${pickleRefusal}`)
    }
    const contentType = this.#byName.get(wanted)?.contentType ?? contentTypes.get(wanted)
    if (contentType !== undefined) return contentType
    if (wanted.includes('/')) return wanted.toLowerCase()
    throw this.#unknown(wanted)
  }

  #unknown(name: string): SettingError {
    const known = [...new Set([...this.#byName.keys(), ...contentTypes.keys()])].filter((each) => each !== 'pickle')
    const near = known.find((each) => distance(each, name.toLowerCase()) <= 2)
    const advice = near === undefined ? `Known are ${known.join(', ')}.` : `Did you mean '${near}'?`
    return new SettingError(`Serializer '${name}' does not exist. ${advice}`)
  }
}

const pickleRefusal =
  'unpickling runs code that the sender chose, and only Python can do it. Let the sender use json (task_serializer).'

const pickleTypes: ReadonlySet<string> = new Set(['application/x-python-serialize', 'application/x-pickle'])

// Source: kombu/serialization.py, register_*. `auth` is left out: it is bytes signed around another type.
const contentTypes: ReadonlyMap<string, string> = new Map([
  ['json', 'application/json'],
  ['yaml', 'application/x-yaml'],
  ['msgpack', 'application/x-msgpack'],
  ['pickle', 'application/x-python-serialize'],
])

const utf8Names: ReadonlySet<string> = new Set(['utf-8', 'utf8', 'us-ascii', 'ascii', 'binary', ''])

/** Text in another encoding than UTF-8 is rare but legal: the content encoding of kombu is a codec's name. */
function toUtf8(raw: EncodedBody): Uint8Array {
  const encoding = raw.contentEncoding
  if (encoding === 'utf-8' || utf8Names.has(encoding.toLowerCase())) return raw.body
  try {
    return new TextEncoder().encode(new TextDecoder(encoding, { fatal: true }).decode(raw.body))
  } catch (cause) {
    throw new DecodeError(`Body is not text in content encoding ${JSON.stringify(encoding.slice(0, 40))}.`, { cause })
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
