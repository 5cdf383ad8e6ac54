import { type Clean, clean } from './text.ts'

/** `4s`, `12m`, `3h`, `8d`: at most four columns. */
export function age(ms: number): Clean {
  const seconds = Math.max(0, Math.floor(ms / 1000))
  if (seconds < 60) return clean(`${seconds}s`)
  if (seconds < 3600) return clean(`${Math.floor(seconds / 60)}m`)
  if (seconds < 86_400) return clean(`${Math.floor(seconds / 3600)}h`)
  return clean(`${Math.min(999, Math.floor(seconds / 86_400))}d`)
}

/** `0.4ms`, `12ms`, `3.1s`, `2m5s`; at most six columns up to days. */
export function runtime(seconds: number): Clean {
  const ms = seconds * 1000
  if (!Number.isFinite(ms) || ms < 0) return clean('?')
  if (ms < 1) return clean(`${ms.toFixed(1)}ms`)
  if (ms < 999.5) return clean(`${Math.round(ms)}ms`)
  if (seconds < 10) return clean(`${seconds.toFixed(2)}s`)
  if (seconds < 60) return clean(`${seconds.toFixed(1)}s`)
  if (seconds < 3600) return clean(`${Math.floor(seconds / 60)}m${Math.floor(seconds % 60)}s`)
  return clean(`${Math.floor(seconds / 3600)}h${Math.floor((seconds % 3600) / 60)}m`)
}

/** `999`, `1.2k`, `45k`, `3.1M`: at most four columns. */
export function count(value: number): Clean {
  if (!Number.isFinite(value)) return clean('?')
  const whole = Math.round(value)
  if (whole < 1000) return clean(`${whole}`)
  if (whole < 9950) return clean(`${(whole / 1000).toFixed(1)}k`)
  if (whole < 999_500) return clean(`${Math.round(whole / 1000)}k`)
  if (whole < 9_950_000) return clean(`${(whole / 1_000_000).toFixed(1)}M`)
  return clean(`${Math.round(whole / 1_000_000)}M`)
}

/** `2026-01-31 14:05:09.123`, local or UTC. */
export function moment(ms: number, utc: boolean): Clean {
  const date = new Date(ms)
  if (Number.isNaN(date.getTime())) return clean('?')
  if (utc) return clean(`${date.toISOString().slice(0, 23).replace('T', ' ')} UTC`)
  const two = (value: number): string => String(value).padStart(2, '0')
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`
  const time = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`
  return clean(`${day} ${time}.${String(date.getMilliseconds()).padStart(3, '0')}`)
}

/** As `moment`, without the date when it is less than half a day from now. */
export function shortMoment(ms: number, nowMs: number, utc: boolean): Clean {
  const whole = moment(ms, utc)
  return Math.abs(nowMs - ms) < 43_200_000 ? clean(whole.slice(11)) : whole
}

/** The end of a UUIDv7 tells tasks apart, its start does not. */
export function shortId(id: string): Clean {
  return clean(id.length <= 8 ? id : id.slice(-8))
}
