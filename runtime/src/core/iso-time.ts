import { DecodeError, EncodeError } from './errors.ts'
import { type TimeZone, utc } from './time-zone.ts'

/**
 * `YYYY-MM-DDTHH:MM:SS.ffffff+00:00` of an epoch time in ms, with `zone` the offset of that zone; a fraction of a millisecond is kept to the microsecond. Always
 * six digits: Celery 5.2 reads the digits of the fraction as a number of microseconds, so `.123` would become 123 µs.
 * Throws EncodeError for what is no time between the years 0 and 9999.
 */
export function isoTime(epochMs: number, zone: TimeZone = utc): string {
  if (zone !== utc) return zonedTime(epochMs, zone.offsetAt(epochMs))
  const wholeMs = Math.floor(epochMs)
  if (!(wholeMs >= firstMs && wholeMs <= lastMs)) {
    throw new EncodeError('time', `expected epoch milliseconds between the years 0 and 9999, got ${epochMs}.`)
  }
  if (wholeMs !== latest.wholeMs) latest = { wholeMs, head: new Date(wholeMs).toISOString().slice(0, 23) }
  const { head } = latest
  if (wholeMs === epochMs) return `${head}000+00:00`
  const micros = Math.min(999, Math.round((epochMs - wholeMs) * 1000))
  return `${head}${String(micros).padStart(3, '0')}+00:00`
}

/**
 * Epoch ms of an ISO 8601 text. Accepts `T` or a blank, `Z`, offsets with and without a colon, a fraction of any length (kept
 * to the microsecond, so the number may have a fraction), a date alone. A text without an offset is in `zone`. Throws
 * DecodeError.
 */
export function parseIso(text: string, zone: TimeZone = utc): number {
  const found = isoText.exec(text)
  if (!found) throw new DecodeError(`Not an ISO 8601 time: ${JSON.stringify(text.slice(0, 60))}`)
  const [, year, month, day, hour, minute, second, fraction = '', offset] = found
  const time = new Date(0)
  time.setUTCFullYear(Number(year), Number(month) - 1, Number(day))
  // A day that the month does not have rolls over into the next one.
  const isRolledOver = time.getUTCMonth() !== Number(month) - 1 || time.getUTCDate() !== Number(day)
  const [h, m, s] = [Number(hour ?? 0), Number(minute ?? 0), Number(second ?? 0)]
  if (isRolledOver || h > 23 || m > 59 || s > 59) {
    throw new DecodeError(`Not a time that exists: ${JSON.stringify(text.slice(0, 60))}`)
  }
  const seconds = h * 3600 + m * 60 + s - offsetSeconds(offset, text)
  const micros = Number(fraction.slice(0, 6).padEnd(6, '0'))
  const atMs = time.getTime() + seconds * 1000
  return (offset === undefined ? zone.toInstant(atMs) : atMs) + micros / 1000
}

function zonedTime(epochMs: number, offsetSecs: number): string {
  const minutes = Math.trunc(Math.abs(offsetSecs) / 60)
  const [h, m] = [Math.trunc(minutes / 60), minutes % 60].map((part) => String(part).padStart(2, '0'))
  return isoTime(epochMs + offsetSecs * 1000).replace('+00:00', `${offsetSecs < 0 ? '-' : '+'}${h}:${m}`)
}

// Of the many tasks that end within one millisecond, one pays for the text.
let latest = { wholeMs: 0, head: new Date(0).toISOString().slice(0, 23) }

const firstMs = Date.UTC(-1, 12)
const lastMs = Date.UTC(10000, 0) - 1

const isoText =
  /^(\d{4})-(\d\d)-(\d\d)(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d+))?)?\s*([Zz]|[+-]\d\d(?::?\d\d(?::?\d\d)?)?)?)?$/

function offsetSeconds(zone: string | undefined, text: string): number {
  if (zone === undefined || zone === 'Z' || zone === 'z') return 0
  const digits = zone.slice(1).replaceAll(':', '')
  const [hours, minutes, seconds] = [digits.slice(0, 2), digits.slice(2, 4), digits.slice(4, 6)].map(Number)
  if ((hours ?? 0) > 23 || (minutes ?? 0) > 59 || (seconds ?? 0) > 59) {
    throw new DecodeError(`Not an offset from UTC in ${JSON.stringify(text.slice(0, 60))}`)
  }
  const size = (hours ?? 0) * 3600 + (minutes ?? 0) * 60 + (seconds ?? 0)
  return zone.startsWith('-') ? -size : size
}
