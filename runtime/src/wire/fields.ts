import { parseIso } from '../core/iso-time.ts'
import type { TimeZone } from '../core/time-zone.ts'

/**
 * Readers of untrusted fields. Each takes a value as it came, gives the default for null and undefined, and calls `fail` with
 * what was expected for a value of another type. `fail` throws the error of the format that is being read.
 */
export type Fail = (name: string, reason: string) => never

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function isList(value: unknown): value is readonly unknown[] {
  return Array.isArray(value)
}

export function optionalText(value: unknown, name: string, fail: Fail): string | undefined {
  if (value === null || value === undefined) return undefined
  return typeof value === 'string' ? value : fail(name, `is to be text, got ${shown(value)}`)
}

export function requiredText(value: unknown, name: string, fail: Fail): string {
  return typeof value === 'string' && value !== '' ? value : fail(name, `is to be text, got ${shown(value)}`)
}

export function optionalNumber(value: unknown, name: string, fail: Fail): number | undefined {
  if (value === null || value === undefined) return undefined
  return typeof value === 'number' && Number.isFinite(value)
    ? value
    : fail(name, `is to be a number, got ${shown(value)}`)
}

/** A whole number from 0. */
export function optionalCount(value: unknown, name: string, fail: Fail): number | undefined {
  if (value === null || value === undefined) return undefined
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value
  return fail(name, `is to be a whole number from 0, got ${shown(value)}`)
}

export function optionalFlag(value: unknown, name: string, fail: Fail): boolean | undefined {
  if (value === null || value === undefined) return undefined
  return typeof value === 'boolean' ? value : fail(name, `is to be true or false, got ${shown(value)}`)
}

/** A list; the members are whatever they are. */
export function optionalList(value: unknown, name: string, fail: Fail): readonly unknown[] | undefined {
  if (value === null || value === undefined) return undefined
  return isList(value) ? value : fail(name, `is to be a list, got ${shown(value)}`)
}

export function optionalRecord(value: unknown, name: string, fail: Fail): Record<string, unknown> | undefined {
  if (value === null || value === undefined) return undefined
  return isRecord(value) ? value : fail(name, `is to be an object, got ${shown(value)}`)
}

/** Epoch ms of an ISO text, or of the Date that a tagged JSON value became. A text without an offset is in `zone`. */
export function optionalTime(value: unknown, name: string, fail: Fail, zone?: TimeZone): number | undefined {
  if (value === null || value === undefined) return undefined
  if (value instanceof Date && !Number.isNaN(value.getTime())) return value.getTime()
  if (typeof value !== 'string') return fail(name, `is to be an ISO 8601 time, got ${shown(value)}`)
  try {
    return parseIso(value, zone)
  } catch {
    return fail(name, `is to be an ISO 8601 time, got ${shown(value)}`)
  }
}

/** The fields that are not in `known`, or undefined when there are none. `__proto__` is dropped: it is never a field. */
export function otherFields(
  fields: Readonly<Record<string, unknown>>,
  known: ReadonlySet<string>,
): Record<string, unknown> | undefined {
  let others: Record<string, unknown> | undefined
  for (const key of Object.keys(fields)) {
    if (known.has(key) || key === '__proto__') continue
    others ??= {}
    others[key] = fields[key]
  }
  return others
}

/** A short text of any value, for error messages. */
export function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.slice(0, 60))
  if (Array.isArray(value)) return `a list of ${value.length}`
  if (typeof value === 'object' && value !== null) return 'an object'
  return String(value).slice(0, 60)
}
