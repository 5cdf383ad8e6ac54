import { isRate } from './rate.ts'
import { isTimeZone } from './time-zone.ts'

/** One setting: its Celery name, kind, default and what it does. The table in settings.ts is the single source for all of them. */
export interface SettingSpec<T> {
  /** Celery's lower-case name; undefined for tq's own. */
  readonly celery: string | undefined
  readonly kind: SettingKind
  readonly unit?: 's' | 'ms' | 'KiB' | undefined
  readonly default: T
  readonly doc: string
  /** Allowed texts of a `text` setting. */
  readonly oneOf?: readonly string[] | undefined
}

/** What values a setting takes. */
export type SettingKind =
  | 'text'
  | 'number'
  | 'boolean'
  | 'texts'
  | 'object'
  | 'auto-boolean'
  | 'auto-number'
  | 'queues'
  | 'routes'
  | 'priority'
  | 'rate'
  | 'zone'
  | 'tls'
  | 'annotations'

/** What the value should have been (`a number that is not negative`); undefined where it is right. */
export function wantedKind(setting: SettingSpec<unknown>, value: unknown): string | undefined {
  const number = typeof value === 'number' && Number.isFinite(value) && value >= 0
  switch (setting.kind) {
    case 'text':
      if (typeof value !== 'string') return 'a text'
      return setting.oneOf && !setting.oneOf.includes(value)
        ? setting.oneOf.map((t) => `'${t}'`).join(' or ')
        : undefined
    case 'number':
      return number ? undefined : 'a number that is not negative'
    case 'boolean':
      return typeof value === 'boolean' ? undefined : 'true or false'
    case 'auto-boolean':
      return typeof value === 'boolean' || value === 'auto' ? undefined : "true, false or 'auto'"
    case 'auto-number':
      return number || value === 'auto' ? undefined : "a number that is not negative, or 'auto'"
    case 'texts':
      return Array.isArray(value) && value.every((v) => typeof v === 'string') ? undefined : 'a list of texts'
    case 'object':
      return isObject(value) ? undefined : 'an object'
    case 'tls':
      return typeof value === 'boolean' || isObject(value) ? undefined : 'true, false or an object of files'
    case 'annotations':
      return isObject(value) || (Array.isArray(value) && value.every(isObject))
        ? undefined
        : 'an object of task options by task name, an object with annotate(), or a list of them'
    case 'priority':
      return number && Number.isInteger(value) && value <= 255 ? undefined : 'a whole number from 0 to 255'
    case 'rate':
      return isRate(value) ? undefined : 'a number per second, or like 10/s, 100/m, 5/h'
    case 'queues':
      return Array.isArray(value) || isObject(value) ? undefined : 'a list of queues, or an object of them by name'
    case 'routes':
      return typeof value === 'function' || (typeof value === 'object' && value !== null)
        ? undefined
        : 'an object, a list or a function'
    case 'zone':
      return typeof value === 'string' && isTimeZone(value) ? undefined : 'a time zone such as Europe/Berlin'
  }
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
