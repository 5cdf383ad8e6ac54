/** Where Python finds the class of an error, `exc_module`. A module that it has not gives a class of that name made up there. */
const celeryNames: ReadonlySet<string> = new Set([
  'ChordError',
  'Ignore',
  'MaxRetriesExceededError',
  'NotRegistered',
  'Reject',
  'Retry',
  'TaskRevokedError',
])
const billiardNames: ReadonlySet<string> = new Set(['SoftTimeLimitExceeded', 'TimeLimitExceeded', 'WorkerLostError'])
const sharedWithPython: ReadonlySet<string> = new Set(['SyntaxError', 'TypeError'])
const ecmaScript: ReadonlySet<string> = new Set([
  'Error',
  'RangeError',
  'ReferenceError',
  'EvalError',
  'URIError',
  'AggregateError',
])

/**
 * Module for an error class that was thrown here; `ownModule` for the user's own classes.
 * Source: celery/backends/base.py, exception_to_python: it imports exc_module and makes the class up where it is missing.
 */
export function errorModule(type: string, ownModule: string): string {
  if (celeryNames.has(type)) return 'celery.exceptions'
  if (billiardNames.has(type)) return 'billiard.exceptions'
  if (sharedWithPython.has(type)) return 'builtins'
  return ecmaScript.has(type) ? 'ecmascript' : ownModule
}
