import { DecodeError } from '../core/errors.ts'
import type { RawMessage } from '../core/message.ts'
import { decodeJson } from '../serializers/json.ts'
import { isRecord, shown } from './fields.ts'

/**
 * Readers for what monitors and remote control get from peers of any version: what is missing or odd gets its neutral
 * value, and only what nothing can be done without is required. (`fields.ts` reads tasks, where odd is an error.)
 */

/** A JSON object whose fields nobody has checked yet. */
export type Dict = Readonly<Record<string, unknown>>

/** The value as an object, or a DecodeError that names `what`. */
export function requireDict(value: unknown, what: string): Dict {
  if (isRecord(value)) return value
  throw new DecodeError(`Expected ${what} to be an object, got ${shown(value)}.`)
}

/** A text that must be there. */
export function requireText(dict: Dict, key: string, what: string): string {
  const value = own(dict, key)
  if (typeof value === 'string' && value !== '') return value
  throw new DecodeError(`Expected ${key} of ${what} to be a text, got ${shown(value)}.`)
}

/** A finite number that must be there; integers beyond 2^53 lose their last digits. */
export function requireNumber(dict: Dict, key: string, what: string): number {
  const value = toNumber(own(dict, key))
  if (value !== undefined) return value
  throw new DecodeError(`Expected ${key} of ${what} to be a number, got ${shown(own(dict, key))}.`)
}

/** The text, or undefined where it is absent, null or not a text. */
export function optionalText(dict: Dict, key: string): string | undefined {
  const value = own(dict, key)
  return typeof value === 'string' ? value : undefined
}

/** The text; numbers and booleans become text, anything else (null too) `fallback`. */
export function textOr(dict: Dict, key: string, fallback: string): string {
  const value = own(dict, key)
  if (typeof value === 'string') return value
  return typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint' ? String(value) : fallback
}

export function numberOr(dict: Dict, key: string, fallback: number): number {
  return toNumber(own(dict, key)) ?? fallback
}

export function optionalNumber(dict: Dict, key: string): number | undefined {
  return toNumber(own(dict, key))
}

export function flag(dict: Dict, key: string): boolean {
  return own(dict, key) === true
}

/** The object, or an empty one. */
export function dictOr(dict: Dict, key: string): Dict {
  const value = own(dict, key)
  return isRecord(value) ? value : {}
}

/** The texts of a list; a text alone is a list of one; what is not a text is left out. */
export function textList(value: unknown): readonly string[] {
  if (typeof value === 'string') return [value]
  return Array.isArray(value) ? value.filter((one): one is string => typeof one === 'string') : []
}

export function numberList(value: unknown): readonly number[] {
  return Array.isArray(value) ? value.map(toNumber).filter((one) => one !== undefined) : []
}

/** The field if it is the object's own: `toString` or `constructor` from outside must not find the prototype's. */
export function own(dict: Dict, key: string): unknown {
  return Object.hasOwn(dict, key) ? dict[key] : undefined
}

function toNumber(value: unknown): number | undefined {
  if (typeof value === 'bigint') return Number(value)
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined
}

const utf8 = new TextDecoder('utf-8', { fatal: true })

/** The JSON value in the body of a message that tq's own side channels carry. Throws DecodeError. */
export function decodeJsonBody(raw: RawMessage, what: string): unknown {
  if (raw.contentType !== 'application/json') {
    throw new DecodeError(`Expected ${what} in application/json, got ${raw.contentType}. Set its serializer to json.`)
  }
  let text: string
  try {
    text = utf8.decode(raw.body)
  } catch (cause) {
    throw new DecodeError(`The body of ${what} is not UTF-8.`, { cause })
  }
  return decodeJson(text)
}
