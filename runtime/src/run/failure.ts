import type { Failure } from '../core/outcome.ts'
import type { TaskOptions } from '../app/task.ts'
import type { StoredError } from '../core/states.ts'
import { errorModule } from '../wire/error-names.ts'

const longestTraceback = 16_000

/** A thrown value made ready to be stored, shown and read by Python. */
export function failureOf(thrown: unknown, ownModule: string, throws?: TaskOptions['throws']): Failure {
  const error = thrown instanceof Error ? thrown : undefined
  const type = error ? className(error) : 'Error'
  const message = error ? error.message : textOf(thrown)
  const text = message === '' ? type : `${type}: ${message}`
  return {
    stored: { type, message: message === '' ? [] : [message], module: errorModule(type, ownModule) },
    text,
    traceback: traceback(error, text),
    error: thrown,
    expected: error !== undefined && isExpected(error, type, throws),
  }
}

/** What is stored of a task that was revoked or expired. Source: celery/backends/base.py, mark_as_revoked. */
export function revokedError(reason: string): StoredError {
  return { type: 'TaskRevokedError', message: [reason], module: errorModule('TaskRevokedError', '') }
}

/** What is stored of a task that rejected its message for good. */
export function rejectedError(reason: string): StoredError {
  return { type: 'Reject', message: [reason], module: errorModule('Reject', '') }
}

function className(error: Error): string {
  const own = error.constructor?.name
  return own && own !== 'Error' ? own : error.name || 'Error'
}

function textOf(thrown: unknown): string {
  try {
    return typeof thrown === 'string' ? thrown : (JSON.stringify(thrown) ?? String(thrown))
  } catch {
    return Object.prototype.toString.call(thrown)
  }
}

// Causes are told too; the last line is the error itself, as readers of Python's tracebacks expect.
function traceback(error: Error | undefined, text: string): string {
  if (!error) return text
  const parts: string[] = []
  const seen = new Set<unknown>()
  for (let at: unknown = error; at instanceof Error && !seen.has(at); at = at.cause) {
    seen.add(at)
    parts.push(at.stack ?? `${at.name}: ${at.message}`)
  }
  const whole = parts.join('\nCaused by: ')
  const cut = whole.length > longestTraceback ? `${whole.slice(0, longestTraceback)}\n    …` : whole
  return cut.endsWith(text) ? cut : `${cut}\n${text}`
}

function isExpected(error: Error, type: string, throws: TaskOptions['throws']): boolean {
  return (throws ?? []).some((one) => (typeof one === 'string' ? one === type : error instanceof one))
}
