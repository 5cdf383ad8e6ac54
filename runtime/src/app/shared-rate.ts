import { createHash } from 'node:crypto'

/** A pace that all workers of a broker keep together. */
export interface SharedRateLimit {
  /** A number per second, or `10/s`, `100/m`, `5/h`. */
  readonly rate: string | number
  /** `cluster`: one pace for all calls of the task. A function of the arguments: one for each text that it gives, none for undefined. */
  readonly per: 'cluster' | ((...args: never[]) => string | undefined)
}

/** The key under which calls with these arguments take their turns; undefined for calls without a limit. */
export function turnKeyOf(task: string, limit: SharedRateLimit, args: readonly unknown[]): string | undefined {
  if (limit.per === 'cluster') return `rate.${task}`
  const text = limit.per(...(args as readonly never[])) // its parameters are the task's
  if (text === undefined) return undefined
  return `rate.${task}.${createHash('sha256').update(text).digest('base64url')}`
}
