import { SettingError } from './errors.ts'

const form = /^(\d+(?:\.\d+)?)(?:\/([smh]))?$/

/**
 * Tasks per second of a rate as Celery writes it: a number, or `10/s`, `100/m`, `5/h`; 0 and null are no limit.
 * Throws SettingError for anything else. Source: celery/utils/time.py, rate.
 */
export function tasksPerSecond(rate: string | number | null | undefined): number | undefined {
  if (rate === null || rate === undefined || rate === 0 || rate === '0' || rate === '') return undefined
  const [, amount = '', unit = 's'] = form.exec(String(rate)) ?? []
  if (amount === '') {
    throw new SettingError(`expected a rate limit to be a number or like 10/s, 100/m, 5/h, got ${JSON.stringify(rate)}`)
  }
  const perSecond = Number(amount) / (unit === 'h' ? 3600 : unit === 'm' ? 60 : 1)
  return perSecond > 0 ? perSecond : undefined
}

/** Whether `tasksPerSecond` would take it. */
export function isRate(value: unknown): boolean {
  return (typeof value === 'number' || typeof value === 'string') && form.test(String(value))
}
