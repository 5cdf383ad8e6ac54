import { InvalidArgumentError, Option } from 'commander'
import { type LogLevel, logLevelOf } from '../core/logger.ts'
import { type AutoscaleRange, parseAutoscale } from '../worker/autoscale.ts'

/** `-l` with this default: a level in any case, also as Celery calls it. */
export function levels(value: LogLevel): Option {
  return new Option('-l, --loglevel <level>', 'what is logged: debug, info, warn, error or silent')
    .argParser(level)
    .default(value)
}

function level(text: string): LogLevel {
  const found = logLevelOf(text)
  if (found === undefined) throw new InvalidArgumentError('expected debug, info, warn, error or silent')
  return found
}

/** A whole number from 0. */
export function count(text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 0) throw new InvalidArgumentError('expected a whole number')
  return value
}

/** Reads a flag’s value; InvalidArgumentError for another. */
export function seconds(text: string): number {
  const value = Number(text)
  if (!Number.isFinite(value) || value < 0) throw new InvalidArgumentError('expected seconds')
  return value
}

/** Reads a flag’s value; InvalidArgumentError for another. */
export function range(text: string): AutoscaleRange {
  try {
    return parseAutoscale(text)
  } catch (error) {
    throw new InvalidArgumentError(error instanceof Error ? error.message : String(error))
  }
}

/** Reads a flag’s value; InvalidArgumentError for another. */
export function date(text: string): Date {
  const value = new Date(text)
  if (Number.isNaN(value.getTime())) throw new InvalidArgumentError('expected a time such as 2026-01-02T03:04:05Z')
  return value
}

/** Reads a flag’s value; InvalidArgumentError for another. */
export function names(text: string): readonly string[] {
  const found = text
    .split(',')
    .map((one) => one.trim())
    .filter((one) => one !== '')
  if (found.length === 0) throw new InvalidArgumentError('expected names with commas between')
  return found
}
