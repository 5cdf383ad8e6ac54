import type * as Msgpack from '@msgpack/msgpack'
import { DecodeError, EncodeError } from '../core/errors.ts'
import { loadPackage } from './load-optional.ts'
import { isWholeMsgpack } from './msgpack-check.ts'
import { fromLibrary, type Leaves, toPlain } from './plain-value.ts'
import type { Serializer } from './serializer.ts'
import { maxDepth } from './value-rules.ts'

type Library = typeof Msgpack

/**
 * kombu's `msgpack`: texts as str, bytes as bin. A Date is MessagePack's timestamp, which Python reads as `msgpack.Timestamp`; extensions
 * that nobody knows are kept as ExtData and written as they came. Integers of 64 bits that a number does not hold are BigInt; larger
 * ones cannot be written. Source: kombu/serialization.py, register_msgpack (use_bin_type, raw=False).
 */
export function msgpackSerializer(): Serializer {
  let library: Library | undefined
  const msgpack = (): Library => {
    library ??= loadPackage('@msgpack/msgpack') as Library // a module's shape is its package's word
    return library
  }
  return {
    name: 'msgpack',
    contentType: 'application/x-msgpack',
    contentEncoding: 'binary',
    encode: (value) => write(msgpack(), value),
    decode: (bytes) => read(msgpack(), bytes),
  }
}

function write({ encode, ExtData }: Library, value: unknown): Uint8Array {
  const plain = toPlain(value, { ...leaves, isNative: (object) => object instanceof ExtData })
  try {
    return encode(plain, { useBigInt64: true, maxDepth: maxDepth + 1 })
  } catch (cause) {
    throw new EncodeError('', 'MessagePack cannot hold it.', { cause })
  }
}

const leaves: Leaves = {
  // With 64-bit integers on, the library would write a number beyond 32 bits as a float.
  number: (value) => (Number.isSafeInteger(value) && Math.abs(value) >= 2 ** 31 ? BigInt(value) : value),
  bigint: (value, path) => {
    if (value >= -(2n ** 63n) && value < 2n ** 64n) return value
    throw new EncodeError(path, 'MessagePack holds integers of 64 bits; send it as text, or use json.')
  },
}

function read({ decode, ExtData }: Library, bytes: Uint8Array): unknown {
  if (!isWholeMsgpack(bytes)) throw new DecodeError('Not MessagePack: it is cut off, or more follows the value.')
  try {
    const value = decode(bytes, { useBigInt64: true })
    return fromLibrary(value, (object) => object instanceof ExtData)
  } catch (cause) {
    throw new DecodeError(`Not MessagePack: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
  }
}
