import { types } from 'node:util'
import { EncodeError } from '../core/errors.ts'
import { isoTime } from '../core/iso-time.ts'
import { isTagged, typeKey, valueKey } from './json-tags.ts'
import {
  cycleReason,
  dateRefusal,
  depthReason,
  foreignReason,
  functionReason,
  isPlainObject,
  maxDepth,
  memberPath,
  symbolReason,
} from './value-rules.ts'

/** `typed`: kombu 5.3 and later read dates and bytes back as such. `plain`: for peers of kombu 5.2 and older. */
export type JsonStyle = 'typed' | 'plain'

/**
 * The value as JSON text that Python reads. What would be lost is refused: throws EncodeError with the path of a function,
 * symbol, Map, Set, class instance (unless it has `toJSON`) or cycle, and of no path for what is nested more than 900 levels deep. `undefined` is left out of objects and becomes `null`
 * in arrays and at the top, as in JSON.stringify.
 * - BigInt: its digits; a number beyond 2^53 as a float (`1e+20`), so that it comes back as a number. NaN and the infinities: `NaN`, `Infinity`, `-Infinity`, as Python writes and reads them.
 * - Date, typed: a tagged `datetime` in UTC; plain: ISO text that ends in `Z`, as kombu 5.2 wrote it.
 * - Uint8Array, typed: a tagged `base64`; plain: an EncodeError, as in kombu 5.2.
 * - An object with exactly the keys of a tagged value is refused when typed: the reader would take it for one.
 */
export function encodeJson(value: unknown, style: JsonStyle = 'typed'): string {
  try {
    if (isOrdinary(value, 0)) return JSON.stringify(value)
    return write(value, { style, open: new Set() }, '')
  } catch (error) {
    if (error instanceof EncodeError) throw error
    // The user's toJSON or a getter threw.
    throw new EncodeError('', 'reading it threw an error.', { cause: error })
  }
}

/** Deeper than this the careful way is taken, which knows cycles. */
const maxOrdinaryDepth = 100

/**
 * Whether JSON.stringify writes this value without loss: text, numbers up to 2^53, booleans, null, and arrays and plain objects of
 * them. Everything else, and whatever looks unusual, takes the careful way; to say no is always safe.
 */
function isOrdinary(value: unknown, depth: number): boolean {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return true
    case 'number':
      return value <= Number.MAX_SAFE_INTEGER && value >= Number.MIN_SAFE_INTEGER
    case 'undefined':
      // JSON.stringify drops it from objects and makes null of it in arrays, but gives no text at all for it alone.
      return depth > 0
    case 'object':
      break
    default:
      return false
  }
  if (value === null) return true
  if (depth > maxOrdinaryDepth) return false
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) if (!isOrdinary(value[index], depth + 1)) return false
    return Object.getPrototypeOf(value) === Array.prototype
  }
  if (Object.getPrototypeOf(value) !== Object.prototype) return false
  const fields = value as Record<string, unknown>
  for (const key in fields) {
    if (key === typeKey || !isOrdinary(fields[key], depth + 1)) return false
  }
  return true
}

interface Writing {
  readonly style: JsonStyle
  /** Containers around the value that is being written. */
  readonly open: Set<object>
}

function write(value: unknown, writing: Writing, path: string): string {
  switch (typeof value) {
    case 'string':
      return JSON.stringify(value)
    case 'boolean':
      return value ? 'true' : 'false'
    case 'undefined':
      return 'null'
    case 'number':
      return numberText(value)
    case 'bigint':
      return value.toString()
    case 'symbol':
      throw refused(path, symbolReason)
    case 'function':
      throw refused(path, functionReason)
    case 'object':
      return value === null ? 'null' : writeObject(value, writing, path)
  }
}

/**
 * NaN and the infinities print as Python writes them. A number beyond 2^53 gets an exponent: its digits alone would be read as
 * an exact integer, here as a BigInt.
 */
function numberText(value: number): string {
  if (!Number.isFinite(value)) return String(value)
  return Math.abs(value) > Number.MAX_SAFE_INTEGER ? value.toExponential() : JSON.stringify(value)
}

function writeObject(value: object, writing: Writing, path: string): string {
  if (types.isDate(value)) return writeDate(value, writing, path)
  if (types.isUint8Array(value)) return writeBytes(value, writing, path)
  if (writing.open.has(value)) throw refused(path, cycleReason)
  if (writing.open.size >= maxDepth) throw refused('', depthReason)
  writing.open.add(value)
  const text = Array.isArray(value) ? writeArray(value, writing, path) : writeFields(value, writing, path)
  writing.open.delete(value)
  return text
}

function writeArray(members: readonly unknown[], writing: Writing, path: string): string {
  const texts: string[] = []
  for (let index = 0; index < members.length; index++) texts.push(write(members[index], writing, `${path}[${index}]`))
  return `[${texts.join(',')}]`
}

function writeFields(value: object, writing: Writing, path: string): string {
  const toJson: unknown = 'toJSON' in value ? value.toJSON : undefined
  if (typeof toJson === 'function') {
    const standIn: unknown = toJson.call(value, '')
    return write(standIn, writing, path)
  }
  if (!isPlainObject(value)) throw refused(path, foreignReason(value))
  if (writing.style === 'typed' && isTagged(value)) {
    throw refused(
      path,
      `an object with exactly the keys ${typeKey} and ${valueKey} is read as another type. Rename a key.`,
    )
  }
  const texts: string[] = []
  for (const [key, field] of Object.entries(value)) {
    if (field === undefined) continue
    texts.push(`${JSON.stringify(key)}:${write(field, writing, memberPath(path, key))}`)
  }
  return `{${texts.join(',')}}`
}

function writeDate(date: Date, writing: Writing, path: string): string {
  const refusal = dateRefusal(date)
  if (refusal !== undefined) throw refused(path, refusal)
  const text = isoTime(date.getTime())
  if (writing.style === 'plain') return `"${text.replace('+00:00', 'Z')}"`
  return `{"${typeKey}":"datetime","${valueKey}":"${text}"}`
}

function writeBytes(bytes: Uint8Array, writing: Writing, path: string): string {
  if (writing.style === 'plain') throw refused(path, 'bytes need the typed JSON style; send text, for example base64.')
  const base64 = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')
  return `{"${typeKey}":"base64","${valueKey}":"${base64}"}`
}

function refused(path: string, reason: string): EncodeError {
  return new EncodeError(path, reason)
}
