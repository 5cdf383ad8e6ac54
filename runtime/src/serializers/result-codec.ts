import { DecodeError, SettingError } from '../core/errors.ts'
import { type Compression, CompressionRegistry } from './compression.ts'
import { decodeJson, encodeJson, type JsonStyle, jsonSerializer } from './json.ts'
import { decodeWith, type EncodedBody, type Serializer, SerializerRegistry } from './serializer.ts'

/** A result document as it is stored. */
export type ResultDocument = string | Uint8Array

/**
 * Between result documents and what backends store. Stored documents do not tell what they are, so readers and writers share the
 * settings; results that are messages (rpc) do tell. JSON without compression is the fast way: a text, nothing else.
 */
export interface ResultCodec {
  /** Whether documents are JSON texts, which scripts on a server can look into. */
  readonly isJson: boolean
  /** Of a message that carries a document: its content type, its encoding, and the type of its compression, if any. */
  readonly contentType: string
  readonly contentEncoding: string
  readonly compression: string | undefined
  /** Throws EncodeError. A text for JSON, else bytes. */
  encode(value: unknown): ResultDocument
  /** Throws DecodeError. */
  decode(document: ResultDocument): unknown
  /** As `encode`, for stores that hold texts only: what is no text comes as base64. */
  encodeText(value: unknown): string
  decodeText(text: string): unknown
  /** The document in a message, by the message's own types. Throws DecodeError, also for a type that results may not have. */
  received(raw: EncodedBody, compression: string | undefined): unknown
}

export interface ResultCodecSettings {
  readonly resultSerializer: string
  readonly resultCompression: string | undefined
  readonly resultAcceptContent: readonly string[] | undefined
  readonly acceptContent: readonly string[]
  readonly jsonStyle: JsonStyle
}

/** Documents as JSON texts, Celery's default. */
export function jsonResultCodec(style: JsonStyle = 'typed'): ResultCodec {
  const serializers = new SerializerRegistry([], [jsonSerializer({ style })])
  return jsonCodec(style, receiver(['json'], serializers, new CompressionRegistry()))
}

/** The codec that the settings ask for. Throws SettingError where nothing could read back what it writes. */
export function resultCodec(
  settings: ResultCodecSettings,
  serializers: SerializerRegistry,
  compressions: CompressionRegistry,
): ResultCodec {
  const { resultSerializer, resultCompression, resultAcceptContent, acceptContent, jsonStyle } = settings
  const serializer = serializers.get(resultSerializer)
  if (resultAcceptContent && !accepts(resultAcceptContent, serializer)) {
    throw new SettingError(
      `resultSerializer '${resultSerializer}' is not in resultAcceptContent (${resultAcceptContent.join(', ')}): no result could be read.`,
    )
  }
  const compression = resultCompression === undefined ? undefined : compressions.get(resultCompression)
  const accepted = resultAcceptContent ?? [resultSerializer, ...acceptContent]
  const received = receiver(accepted, serializers, compressions)
  if (resultSerializer === 'json' && !compression) return jsonCodec(jsonStyle, received)
  return bytesCodec(serializer, compression, compressions, received)
}

function accepts(accepted: readonly string[], { name, contentType }: Serializer): boolean {
  return accepted.includes(name) || accepted.includes(contentType)
}

function receiver(
  accepted: readonly string[],
  serializers: SerializerRegistry,
  compressions: CompressionRegistry,
): ResultCodec['received'] {
  return (raw, compression) => {
    const serializer = serializers.ofType(raw.contentType)
    if (!serializer || !accepts(accepted, serializer)) {
      const shown = JSON.stringify(raw.contentType.slice(0, 100))
      throw new DecodeError(`Refused a result of the content type ${shown}: accepted are ${accepted.join(', ')}.`)
    }
    const body = compression === undefined ? raw.body : compressions.decompress(raw.body, compression)
    return decodeWith(serializer, body, raw.contentEncoding)
  }
}

function jsonCodec(style: JsonStyle, received: ResultCodec['received']): ResultCodec {
  const encode = (value: unknown): string => encodeJson(value, style)
  return {
    isJson: true,
    contentType: 'application/json',
    contentEncoding: 'utf-8',
    compression: undefined,
    encode,
    decode: (document) => decodeJson(typeof document === 'string' ? document : Buffer.from(document).toString()),
    encodeText: encode,
    decodeText: decodeJson,
    received,
  }
}

function bytesCodec(
  serializer: Serializer,
  compression: Compression | undefined,
  compressions: CompressionRegistry,
  received: ResultCodec['received'],
): ResultCodec {
  const { contentType, contentEncoding } = serializer
  const isText = contentEncoding === 'utf-8' && !compression
  const encode = (value: unknown): Uint8Array => {
    const bytes = serializer.encode(value)
    return compression ? compression.compress(bytes) : bytes
  }
  const decode = (document: ResultDocument): unknown => {
    const stored = typeof document === 'string' ? Buffer.from(document) : document
    const bytes = compression ? compressions.decompress(stored, compression.contentType) : stored
    return decodeWith(serializer, bytes, contentEncoding)
  }
  return {
    isJson: false,
    contentType,
    contentEncoding,
    compression: compression?.contentType,
    encode,
    decode,
    encodeText: (value) => Buffer.from(encode(value)).toString(isText ? 'utf8' : 'base64'),
    decodeText: (text) => {
      if (!isText && !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) {
        throw new DecodeError(
          `The result is not ${contentType}: it is text. Was it written with another resultSerializer?`,
        )
      }
      return decode(Buffer.from(text, isText ? 'utf8' : 'base64'))
    },
    received,
  }
}
