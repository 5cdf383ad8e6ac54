import { inspect } from 'node:util'
import { cutAt } from './texts.ts'

/** The value on one line as JavaScript writes it; of a large one no more is looked at than `limit` characters need. */
export function valueLine(value: unknown, limit: number): string {
  return written(value, limit, { compact: true, breakLength: Infinity })
}

/** The same over several lines. */
export function valueBlock(value: unknown, limit: number): string {
  return written(value, limit, { compact: 3, breakLength: 100 })
}

/** Deeper than that the kind is named instead. */
const deepest = 50

function written(
  value: unknown,
  limit: number,
  shape: { readonly compact: number | true; readonly breakLength: number },
): string {
  const head = headOf(value, { left: limit + 1 }, 0)
  const text = inspect(head, { ...shape, depth: deepest, maxArrayLength: null, maxStringLength: null })
  return cutAt(text, limit)
}

/** Between members at the least, and behind a key. */
const separator = 2

interface Room {
  left: number
}

/** A beginning of the value that surely takes all the room when it is written, and not much more. Results are JSON: no cycles. */
function headOf(value: unknown, room: Room, depth: number): unknown {
  if (typeof value === 'string') {
    const head = value.length > room.left ? value.slice(0, Math.max(0, room.left)) : value
    room.left -= head.length + 2
    return head
  }
  room.left--
  if (value instanceof Uint8Array) {
    const head = value.subarray(0, Math.max(1, room.left))
    room.left -= head.length
    return head
  }
  if (typeof value !== 'object' || value === null || value instanceof Date || depth > deepest) return value
  if (Array.isArray(value)) {
    const members: readonly unknown[] = value
    const head: unknown[] = []
    for (const member of members) {
      if (room.left <= 0) break
      room.left -= separator
      head.push(headOf(member, room, depth + 1))
    }
    return head
  }
  const head: Record<string, unknown> = {}
  for (const [key, member] of entriesOf(value)) {
    if (room.left <= 0) break
    room.left -= key.length + 2 * separator
    Object.defineProperty(head, key, { value: headOf(member, room, depth + 1), enumerable: true })
  }
  return head
}

function* entriesOf(value: object): Generator<readonly [string, unknown]> {
  for (const key in value) if (Object.hasOwn(value, key)) yield [key, Reflect.get(value, key)]
}
