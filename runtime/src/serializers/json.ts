import { isUtf8 } from 'node:buffer'
import { DecodeError } from '../core/errors.ts'
import { encodeJson, type JsonStyle } from './json-encode.ts'
import { decodeTagged } from './json-tags.ts'
import type { Serializer } from './serializer.ts'

export { encodeJson, type JsonStyle } from './json-encode.ts'

/** The default serializer. `style` says how dates and bytes are written, see `encodeJson`; both styles are read. */
export function jsonSerializer(options: { readonly style?: JsonStyle | undefined } = {}): Serializer {
  const { style = 'typed' } = options
  return {
    name: 'json',
    contentType: 'application/json',
    contentEncoding: 'utf-8',
    encode: (value) => Buffer.from(encodeJson(value, style), 'utf8'),
    decode: (bytes) => {
      if (!isUtf8(bytes)) throw new DecodeError('JSON text is not UTF-8.')
      return decodeJson(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8'))
    },
  }
}

/**
 * The value of a JSON text as Python writes it. Throws DecodeError, for nothing else does it throw.
 * - Integers beyond 2^53 become a BigInt, so that none loses digits.
 * - Bare `NaN`, `Infinity` and `-Infinity` are read as JavaScript's.
 * - kombu's tagged values: `datetime` becomes a Date (to the millisecond, UTC if it names no zone), `bytes` and `base64` a Uint8Array; `date`, `time`,
 *   `decimal` and `uuid` become text, since JavaScript has nothing that holds them exactly. An unknown tag is an error.
 */
export function decodeJson(text: string): unknown {
  try {
    const value = manyDigits.test(text) ? parseWithBigInts(text) : parse(text)
    return text.includes('"__type__"') ? decodeTagged(value) : value
  } catch (error) {
    if (error instanceof DecodeError) throw error
    throw new DecodeError(`Not JSON: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
  }
}

// An integer of 2^53 or more has 16 digits or more; a longer fraction is no reason to take the slow way.
const manyDigits = /(?:^|[:[,\s])-?\d{16}/

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    if (!bareNumber.test(text)) throw error
    return parseWithBigInts(text)
  }
}

function parseWithBigInts(text: string): unknown {
  try {
    return JSON.parse(text, withBigInts)
  } catch (error) {
    if (!bareNumber.test(text)) throw error
    return JSON.parse(text.replace(stringOrBareNumber, standIn), withBigInts)
  }
}

const bareNumber = /NaN|Infinity/

// Whole strings are matched too, so that what stands inside them is never taken for a number.
const stringOrBareNumber = /"[^"\\]*(?:\\.[^"\\]*)*"|-?Infinity|NaN/gs

/** A zero with an exponent that nobody writes: the reviver sees the source and makes a NaN of it. */
const nanSource = '0e-99999'

function standIn(found: string): string {
  if (found === 'NaN') return nanSource
  if (found === 'Infinity') return '1e99999'
  return found === '-Infinity' ? '-1e99999' : found
}

// Python stops at 4300 digits as well: reading more takes quadratic time. Source: CPython, sys.set_int_max_str_digits.
const maxDigits = 4300

function withBigInts(this: unknown, _key: string, value: unknown, context?: { readonly source?: string }): unknown {
  if (typeof value !== 'number' || Number.isSafeInteger(value))
    return value === 0 && context?.source === nanSource ? Number.NaN : value
  const source = context?.source
  if (source === undefined || !/^-?\d+$/.test(source)) return value
  if (source.length > maxDigits)
    throw new DecodeError(`Integer of ${source.length} digits; at most ${maxDigits} are read.`)
  return BigInt(source)
}
