import { inspect, types } from 'node:util'
import type { Failure } from '../core/outcome.ts'
import type { TaskOptions } from '../app/task.ts'
import type { StoredError } from '../core/states.ts'
import { errorModule } from '../wire/error-names.ts'

const longestTraceback = 16_000
const longestMessage = 65_536

/** A thrown value made ready to be stored, shown and read by Python. Whatever was thrown, this does not throw. */
export function failureOf(thrown: unknown, ownModule: string, throws?: TaskOptions['throws']): Failure {
  const error = isError(thrown) ? thrown : undefined
  const type = error ? className(error) : 'Error'
  const message = cut(error ? messageOf(error) : textOf(thrown))
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
  return { type: 'Reject', message: [cut(reason)], module: errorModule('Reject', '') }
}

/** One of another realm (`node:vm`), too. */
function isError(thrown: unknown): thrown is Error {
  return thrown instanceof Error || types.isNativeError(thrown)
}

function className(error: Error): string {
  return read(() => {
    const own = error.constructor?.name
    return own && own !== 'Error' ? own : error.name || 'Error'
  })
}

function messageOf(error: Error): string {
  return read(() => (typeof error.message === 'string' ? error.message : textOf(error.message)))
}

/** Properties of what a user throws may be getters that throw, or be of any kind. */
function read(property: () => unknown): string {
  try {
    const value = property()
    return typeof value === 'string' ? value : textOf(value)
  } catch {
    return 'Error'
  }
}

function textOf(thrown: unknown): string {
  if (typeof thrown === 'string') return thrown
  try {
    if (typeof thrown !== 'object' || thrown === null) return String(thrown)
    return JSON.stringify(thrown) ?? inspect(thrown)
  } catch {
    return inspected(thrown)
  }
}

// What JSON cannot hold: circles, big integers.
function inspected(thrown: unknown): string {
  try {
    return inspect(thrown, { breakLength: Infinity })
  } catch {
    return Object.prototype.toString.call(thrown)
  }
}

/** Who reads a result, a log or an event reads the beginning; a broker or a database may refuse the whole. */
function cut(text: string): string {
  if (text.length <= longestMessage) return text
  return `${text.slice(0, longestMessage)}… (${text.length} characters)`
}

// Causes are told too; the last line is the error itself, as readers of Python's tracebacks expect.
function traceback(error: Error | undefined, text: string): string {
  if (!error) return text
  const parts: string[] = []
  const seen = new Set<unknown>()
  for (let at: unknown = error; isError(at) && !seen.has(at); at = causeOf(at)) {
    seen.add(at)
    parts.push(stackOf(at))
  }
  const whole = parts.join('\nCaused by: ')
  const cut = whole.length > longestTraceback ? `${whole.slice(0, longestTraceback)}\n    …` : whole
  return cut.endsWith(text) ? cut : `${cut}\n${text}`
}

function stackOf(error: Error): string {
  const stack = read(() => error.stack ?? '')
  return stack === '' ? `${className(error)}: ${messageOf(error)}` : stack
}

function causeOf(error: Error): unknown {
  try {
    return error.cause
  } catch {
    return undefined
  }
}

function isExpected(error: Error, type: string, throws: TaskOptions['throws']): boolean {
  return (throws ?? []).some((one) => (typeof one === 'string' ? one === type : error instanceof one))
}
