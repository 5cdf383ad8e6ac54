const dayMs = 86_400_000

const names: Intl.DateTimeFormatOptions = {
  hourCycle: 'h23',
  year: 'numeric',
  month: 'numeric',
  day: 'numeric',
  hour: 'numeric',
  minute: 'numeric',
  second: 'numeric',
}

/** Whether it names a zone of the IANA database that this Node knows. */
export function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name })
    return true
  } catch {
    return false
  }
}

/** A zone and its offsets. */
export interface TimeZone {
  readonly name: string
  /** Seconds ahead of UTC at an instant (epoch ms). */
  offsetAt(epochMs: number): number
  /** Epoch ms of a time of day in this zone, given as if it were one of UTC. Of an hour that comes twice the first, of one that is skipped the next. */
  toInstant(wallMs: number): number
}

export const utc: TimeZone = { name: 'UTC', offsetAt: () => 0, toInstant: (wallMs) => wallMs }

/** Throws RangeError for a name that `isTimeZone` refuses. Without a name it is the zone of this machine. */
export function timeZone(name?: string): TimeZone {
  const format = new Intl.DateTimeFormat('en', name === undefined ? names : { ...names, timeZone: name })
  const known = format.resolvedOptions().timeZone
  if (known === 'UTC') return utc
  const offsetAt = (epochMs: number): number => {
    const part: Record<string, number> = {}
    for (const { type, value } of format.formatToParts(epochMs)) part[type] = Number(value)
    const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = part
    return Math.round((Date.UTC(year, month - 1, day, hour, minute, second) - Math.floor(epochMs / 1000) * 1000) / 1000)
  }
  return {
    name: known,
    offsetAt,
    toInstant: (wallMs) => {
      const [first, second] = [wallMs - dayMs, wallMs + dayMs].map((near) => wallMs - offsetAt(near) * 1000)
      const isThere = (instant = 0): boolean => instant + offsetAt(instant) * 1000 === wallMs
      return (isThere(first) || !isThere(second) ? first : second) ?? wallMs
    },
  }
}
