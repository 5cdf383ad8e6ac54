import { DecodeError } from '../core/errors.ts'
import { parseIso } from '../core/iso-time.ts'

/** Keys of a tagged value. Source: kombu/utils/json.py, object_hook (kombu 5.3 and later). */
export const typeKey = '__type__'
export const valueKey = '__value__'

/** Whether the object would be taken for a tagged value by a reader: it has exactly the two keys. */
export function isTagged(value: object): boolean {
  return Object.hasOwn(value, typeKey) && Object.hasOwn(value, valueKey) && Object.keys(value).length === 2
}

/** Unwraps every tagged value inside a parsed text, innermost first, in place. Throws DecodeError for an unknown tag. */
export function decodeTagged(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) {
    const members: unknown[] = value
    for (let index = 0; index < members.length; index++) members[index] = decodeTagged(members[index])
    return members
  }
  // The parsed object is ours alone and its keys are own ones: assigning to them replaces, `__proto__` included.
  const fields = value as Record<string, unknown>
  for (const key of Object.keys(fields)) {
    const field = fields[key]
    if (typeof field === 'object' && field !== null) fields[key] = decodeTagged(field)
  }
  return isTagged(fields) ? untag(fields[typeKey], fields[valueKey]) : fields
}

function untag(type: unknown, value: unknown): unknown {
  switch (type) {
    case 'datetime':
      return new Date(parseIso(textOf(type, value)))
    case 'date':
    case 'time':
    case 'decimal':
      return textOf(type, value)
    case 'uuid':
      return uuidText(value)
    case 'bytes':
      return new TextEncoder().encode(textOf(type, value))
    case 'base64':
      return bytesOf(textOf(type, value))
    default:
      throw new DecodeError(`Unknown ${typeKey} ${shown(type)} in JSON: expected one that kombu registers by itself.`)
  }
}

function textOf(type: string, value: unknown): string {
  if (typeof value === 'string') return value
  throw new DecodeError(`${valueKey} of a ${type} is to be text, got ${shown(value)}.`)
}

/** `{"hex": 32 digits}` as the usual text with dashes. */
function uuidText(value: unknown): string {
  const hex: unknown = typeof value === 'object' && value !== null && 'hex' in value ? value.hex : value
  const digits = typeof hex === 'string' ? hex.replaceAll('-', '').toLowerCase() : ''
  if (!/^[0-9a-f]{32}$/.test(digits))
    throw new DecodeError(`${valueKey} of a uuid has no 32 hex digits: ${shown(value)}.`)
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}

function bytesOf(base64: string): Uint8Array {
  if (!/^[A-Za-z0-9+/\s]*={0,2}\s*$/.test(base64)) throw new DecodeError(`${valueKey} of a base64 is not base64.`)
  return new Uint8Array(Buffer.from(base64, 'base64'))
}

function shown(value: unknown): string {
  return (JSON.stringify(value) ?? 'undefined').slice(0, 60)
}
