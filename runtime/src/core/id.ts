import { createHash, randomBytes } from 'node:crypto'
import { hostname } from 'node:os'

let pool = Buffer.alloc(0)
let used = 0

// Entropy by the page: one call per 256 ids instead of one per id.
function random(bytes: number): Buffer {
  if (used + bytes > pool.length) {
    pool = randomBytes(4096)
    used = 0
  }
  used += bytes
  return pool.subarray(used - bytes, used)
}

/** A UUID of version 7: ordered by time, so that an index on it grows at its end. `nowMs` is the epoch time in ms. */
export function taskId(nowMs: number): string {
  return uuidOf(nowMs, random(10))
}

function uuidOf(nowMs: number, bytes: Buffer): string {
  const time = Math.floor(nowMs).toString(16).padStart(12, '0')
  const tail = bytes.toString('hex')
  const variant = (8 + ((bytes[2] ?? 0) & 3)).toString(16)
  return `${time.slice(0, 8)}-${time.slice(8)}-7${tail.slice(1, 4)}-${variant}${tail.slice(5, 8)}-${tail.slice(8, 20)}`
}

/** A random UUID of version 4, for delivery tags, tickets and reply queues. */
export function randomId(): string {
  const bytes = Buffer.from(random(16))
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80
  const h = bytes.toString('hex')
  return `${h.slice(0, 8)}-${h.slice(8, 12)}-${h.slice(12, 16)}-${h.slice(16, 20)}-${h.slice(20)}`
}

/** Node name of a worker, `name@host`. `%h` host, `%n` the part before the first dot, `%d` the rest, `%%` a percent sign. */
export function nodeName(pattern: string, host: string = hostname()): string {
  const dot = host.indexOf('.')
  const parts: Record<string, string> = {
    h: host,
    n: dot < 0 ? host : host.slice(0, dot),
    d: dot < 0 ? '' : host.slice(dot + 1),
    '%': '%',
  }
  const name = pattern.replace(/%([hnd%])/g, (_, key: string) => parts[key] ?? '')
  return name.includes('@') ? name : `${name}@${host}`
}

/** Name of a sending process in events and headers, as Celery writes it. */
export function requestOrigin(pid: number, host: string = hostname()): string {
  return `gen${pid}@${host}`
}

/** Hex digits at the end of an id that tell it from others of the same canvas. */
const placeDigits = 5

/**
 * Ids of one canvas, in the order of asking: UUIDs of version 7 that differ in their last digits only, so that what is known of the
 * canvas is found from any of them by `relationOf`.
 */
export function relatedIds(nowMs: number): () => string {
  let base = taskId(nowMs).slice(0, -placeDigits)
  let next = 0
  return () => {
    if (next === 16 ** placeDigits) {
      base = taskId(nowMs).slice(0, -placeDigits)
      next = 0
    }
    return base + (next++).toString(16).padStart(placeDigits, '0')
  }
}

/** As `relatedIds`, and the same ones whenever they are asked for with the same seed. `atMs` stands in them as their time. */
export function derivedIds(seed: string, atMs: number): () => string {
  const base = uuidOf(atMs, createHash('sha256').update(seed).digest().subarray(0, 10)).slice(0, -placeDigits)
  let next = 0
  return () => base + (next++).toString(16).padStart(placeDigits, '0')
}

/** What ids of one canvas have in common. Of any other text something that no canvas has. */
export function relationOf(id: string): string {
  return id.slice(0, -placeDigits)
}

/** Epoch ms at which an id was made; undefined for one that is no UUID of version 7. */
export function timeOfId(id: string): number | undefined {
  const [, high = '', low = ''] = /^([0-9a-f]{8})-([0-9a-f]{4})-7[0-9a-f]{3}-/.exec(id) ?? []
  return high === '' ? undefined : Number.parseInt(high + low, 16)
}
