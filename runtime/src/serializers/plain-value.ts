import { types } from 'node:util'
import { EncodeError } from '../core/errors.ts'
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

/** What a format makes of the leaves; each gets the path for its EncodeError. */
export interface Leaves {
  number(value: number): unknown
  bigint(value: bigint, path: string): unknown
  /** Objects of the format's own kind that pass as they are. */
  isNative?(value: object): boolean
}

/**
 * A copy of the value with nothing in it but texts, numbers, booleans, null, dates, bytes, lists and plain objects: what a
 * library can write without guessing. The same is refused as in `encodeJson`, with an EncodeError that carries the path.
 */
export function toPlain(value: unknown, leaves: Leaves): unknown {
  try {
    return plain(value, leaves, '', [])
  } catch (error) {
    if (error instanceof EncodeError) throw error
    throw new EncodeError('', 'reading it threw an error.', { cause: error })
  }
}

function plain(value: unknown, leaves: Leaves, path: string, open: object[]): unknown {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return value
    case 'undefined':
      return null
    case 'number':
      return leaves.number(value)
    case 'bigint':
      return leaves.bigint(value, path)
    case 'symbol':
      throw new EncodeError(path, symbolReason)
    case 'function':
      throw new EncodeError(path, functionReason)
    case 'object':
      return value === null ? null : plainObject(value, leaves, path, open)
  }
}

function plainObject(value: object, leaves: Leaves, path: string, open: object[]): unknown {
  if (types.isDate(value)) {
    const refusal = dateRefusal(value)
    if (refusal !== undefined) throw new EncodeError(path, refusal)
    return new Date(value.getTime())
  }
  if (types.isUint8Array(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength)
  if (leaves.isNative?.(value)) return value
  if (open.includes(value)) throw new EncodeError(path, cycleReason)
  if (open.length >= maxDepth) throw new EncodeError('', depthReason)
  open.push(value)
  const copy = Array.isArray(value)
    ? Array.from(value, (member: unknown, index) => plain(member, leaves, `${path}[${index}]`, open))
    : plainFields(value, leaves, path, open)
  open.pop()
  return copy
}

function plainFields(value: object, leaves: Leaves, path: string, open: object[]): unknown {
  const toJson: unknown = 'toJSON' in value ? value.toJSON : undefined
  if (typeof toJson === 'function') {
    const standIn: unknown = toJson.call(value, '')
    return plain(standIn, leaves, path, open)
  }
  if (!isPlainObject(value)) throw new EncodeError(path, foreignReason(value))
  const copy: Record<string, unknown> = {}
  for (const [key, field] of Object.entries(value)) {
    if (field === undefined) continue
    setField(copy, key, plain(field, leaves, memberPath(path, key), open))
  }
  return copy
}

/** Assigns an own field, whatever its name: `__proto__` must not reach the prototype. */
export function setField(fields: Record<string, unknown>, key: string, value: unknown): void {
  if (key === '__proto__')
    Object.defineProperty(fields, key, { value, enumerable: true, configurable: true, writable: true })
  else fields[key] = value
}

/**
 * What a library read, as tq hands it on: integers that a number holds are numbers, others a BigInt; sets are lists, maps are
 * objects with texts as keys, bytes a Uint8Array. Throws RangeError where it is nested deeper than the stack.
 */
export function fromLibrary(value: unknown, isNative?: (value: object) => boolean): unknown {
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : value
  if (typeof value !== 'object' || value === null || types.isDate(value) || isNative?.(value)) return value
  if (types.isUint8Array(value)) return new Uint8Array(value) // not a view of the message, which would stay in memory with it
  if (Array.isArray(value)) return value.map((member: unknown) => fromLibrary(member, isNative))
  if (types.isSet(value)) return Array.from(value, (member: unknown) => fromLibrary(member, isNative))
  const fields: Record<string, unknown> = {}
  const entries: Iterable<[unknown, unknown]> = types.isMap(value) ? value : Object.entries(value)
  for (const [key, field] of entries) setField(fields, String(key), fromLibrary(field, isNative))
  return fields
}
