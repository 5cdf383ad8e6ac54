import { types } from 'node:util'
import { EncodeError } from '../core/errors.ts'
import { isRecord } from './fields.ts'

/**
 * Refuses a header value that a broker would lose or change without a word: throws EncodeError with its path. Headers hold text,
 * finite numbers, booleans, null, lists and plain objects of them; bytes pass, since AMQP has them. Headers are not
 * serialised by the task's serializer, so nothing else would notice.
 */
export function checkHeaderValue(value: unknown, path: string, depth = 0): void {
  if (value === null || value === undefined) return
  if (typeof value === 'string' || typeof value === 'boolean') return
  if (typeof value === 'number' && Number.isFinite(value)) return
  if (depth > maxDepth) throw new EncodeError(path, `headers are at most ${maxDepth} levels deep.`)
  if (Array.isArray(value)) {
    value.forEach((member, index) => checkHeaderValue(member, `${path}[${index}]`, depth + 1))
    return
  }
  if (types.isUint8Array(value)) return
  if (!isRecord(value) || !isPlain(value)) {
    throw new EncodeError(path, 'a header holds text, numbers, true, false, null, lists and plain objects of them.')
  }
  for (const key of Object.keys(value)) checkHeaderValue(value[key], `${path}.${key}`, depth + 1)
}

const maxDepth = 50

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || prototype === Object.prototype
}
