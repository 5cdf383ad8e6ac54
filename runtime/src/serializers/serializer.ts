import { distance } from 'fastest-levenshtein'
import { ContentRefusedError, DecodeError, SettingError } from '../core/errors.ts'
import { CompressionRegistry } from './compression.ts'
import { jsonSerializer } from './json.ts'
import { msgpackSerializer } from './msgpack.ts'
import { yamlSerializer } from './yaml.ts'

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
 * ever decoded, and pickle not even then. Its constructor throws SettingError for pickle.
 * Source: kombu/serialization.py, SerializerRegistry.loads; celery's `accept_content`.
 */
export class SerializerRegistry {
  readonly #byName = new Map<string, Serializer>()
  readonly #byType = new Map<string, Serializer>()
  readonly #accept: readonly string[]
  readonly #compressions: CompressionRegistry
  readonly #registered: Serializer[] = []
  /** Made of `accept` with the first look, when all serializers are registered. */
  #accepted: ReadonlyMap<string, Serializer | undefined> | undefined

  constructor(
    accept: readonly string[],
    serializers: readonly Serializer[] = [jsonSerializer(), yamlSerializer(), msgpackSerializer()],
    compressions: CompressionRegistry = new CompressionRegistry(),
  ) {
    this.#accept = accept
    this.#compressions = compressions
    for (const wanted of accept) refusePickle(wanted)
    for (const serializer of serializers) this.addBuiltIn(serializer)
  }

  /** Adds a serializer, or replaces the one of the same name. To be decoded, its type has to be in `accept` as well. */
  register(serializer: Serializer): this {
    const { name, contentType } = serializer
    if (name === 'pickle' || pickleTypes.has(contentType)) {
      throw new SettingError(`A serializer for pickle cannot be registered: ${pickleRefusal}`)
    }
    if (!contentType.includes('/')) {
      throw new SettingError(
        `expected contentType of serializer '${name}' to be a type such as application/x-${name}, got '${contentType}'`,
      )
    }
    this.#registered.push(serializer)
    return this.addBuiltIn(serializer)
  }

  /** What `register` was given. */
  get registered(): readonly Serializer[] {
    return this.#registered
  }

  /** Adds one that comes with the app. */
  addBuiltIn(serializer: Serializer): this {
    const { name, contentType } = serializer
    this.#byName.set(name, serializer)
    this.#byType.set(contentType.toLowerCase(), serializer)
    this.#accepted = undefined
    return this
  }

  /** Throws SettingError where `accept` holds a name that nobody knows: better before the first message than with it. */
  check(): void {
    this.#acceptedTypes()
  }

  /** The serializer of this name. Throws SettingError for pickle and for an unknown name. */
  get(name: string): Serializer {
    const serializer = this.#byName.get(name)
    if (serializer) return serializer
    if (name === 'pickle') throw new SettingError(`Serializer 'pickle' cannot be used: ${pickleRefusal}`)
    if (name === 'auth') throw new SettingError(`Serializer 'auth' is not set up: ${authAdvice}`)
    throw this.#unknown(name)
  }

  /** The serializer of a content type, whether it is accepted or not: for what was signed by somebody who is trusted. */
  ofType(contentType: string): Serializer | undefined {
    return this.#byType.get(contentType.toLowerCase())
  }

  /**
   * The value in a body, decompressed before if `compression` names how. Throws ContentRefusedError for a type that is not accepted,
   * DecodeError for damaged bytes and for bytes that would grow beyond the limit.
   */
  decode(raw: EncodedBody, compression?: string): unknown {
    const serializer = this.#acceptedTypes().get(raw.contentType) ?? this.#serializerFor(raw.contentType)
    const body = compression === undefined ? raw.body : this.#compressions.decompress(raw.body, compression)
    return decodeWith(serializer, body, raw.contentEncoding)
  }

  /** The slow way, for a content type with parameters or one that is refused. */
  #serializerFor(contentType: string): Serializer {
    const bare = (contentType.split(';', 1)[0] ?? '').trim().toLowerCase() || 'application/data'
    const serializer = this.#acceptedTypes().get(bare)
    if (serializer) return serializer
    if (pickleTypes.has(bare)) throw new ContentRefusedError(`Refused content type ${bare}: ${pickleRefusal}`)
    const shown = JSON.stringify(bare.slice(0, 100))
    if (this.#acceptedTypes().has(bare)) {
      throw new ContentRefusedError(`Content type ${shown} is accepted, but this app has no serializer for it.`)
    }
    const accepted = this.#accept.join(', ') || 'nothing'
    throw new ContentRefusedError(
      `Refused content type ${shown}: accepted are ${accepted}. Add it to acceptContent if you trust its senders.`,
    )
  }

  #acceptedTypes(): ReadonlyMap<string, Serializer | undefined> {
    this.#accepted ??= new Map(
      this.#accept.map((wanted) => {
        const contentType = this.#contentTypeOf(wanted)
        return [contentType, this.#byType.get(contentType)]
      }),
    )
    return this.#accepted
  }

  #contentTypeOf(wanted: string): string {
    const contentType = this.#byName.get(wanted)?.contentType
    if (contentType !== undefined) return contentType.toLowerCase()
    if (wanted.includes('/')) return wanted.toLowerCase()
    if (wanted === 'auth') throw new SettingError(`'auth' is in acceptContent, but not set up: ${authAdvice}`)
    throw this.#unknown(wanted)
  }

  #unknown(name: string): SettingError {
    const known = [...this.#byName.keys()]
    const near = known.find((each) => distance(each, name.toLowerCase()) <= 2)
    const advice =
      near === undefined
        ? `Known are ${known.join(', ')}; add others with app.serializers.register().`
        : `Did you mean '${near}'?`
    return new SettingError(`Serializer '${name}' does not exist. ${advice}`)
  }
}

/** Decodes with this serializer, text in its encoding. Throws DecodeError whatever the serializer throws. */
export function decodeWith(serializer: Serializer, body: Uint8Array, contentEncoding: string): unknown {
  const bytes = serializer.contentEncoding === 'utf-8' ? toUtf8(body, contentEncoding) : body
  try {
    return serializer.decode(bytes)
  } catch (error) {
    if (error instanceof DecodeError) throw error
    throw new DecodeError(`Body is not ${serializer.contentType}: ${messageOf(error)}`, { cause: error })
  }
}

function refusePickle(wanted: string): void {
  if (wanted !== 'pickle' && !pickleTypes.has(wanted)) return
  throw new SettingError(`'${wanted}' cannot be in acceptContent: ${pickleRefusal}`)
}

const authAdvice =
  'set securityCertStore, and securityKey and securityCertificate to sign, or call app.setupSecurity().'

const pickleRefusal =
  'unpickling runs code that the sender chose, and only Python can do it. Let the sender use json (task_serializer).'

const pickleTypes: ReadonlySet<string> = new Set(['application/x-python-serialize', 'application/x-pickle'])

const utf8Names: ReadonlySet<string> = new Set(['utf-8', 'utf8', 'us-ascii', 'ascii', 'binary', ''])

/** Text in another encoding than UTF-8 is rare but legal: the content encoding of kombu is a codec's name. */
function toUtf8(body: Uint8Array, encoding: string): Uint8Array {
  if (encoding === 'utf-8' || utf8Names.has(encoding.toLowerCase())) return body
  try {
    return new TextEncoder().encode(new TextDecoder(encoding, { fatal: true }).decode(body))
  } catch (cause) {
    throw new DecodeError(`Body is not text in content encoding ${JSON.stringify(encoding.slice(0, 40))}.`, { cause })
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
