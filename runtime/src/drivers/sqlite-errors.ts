import { ChannelError, ConnectionError, StoreError, TqError } from '../core/errors.ts'
import { schemaVersion } from './sqlite-schema.ts'

// Primary result codes of SQLite, https://sqlite.org/rescode.html
const sqlError = 1
const busy = 5
const locked = 6
const readOnly = 8
const ioError = 10
const corrupt = 11
const full = 13
const cannotOpen = 14
const notADatabase = 26
/** Extended code: the file is shorter than its pages; in practice somebody deleted or replaced it. */
const shortRead = 522

const elsewhere = 'set TQ_DB to another path, or configure a broker'

/** SQLite's extended result code, or undefined for an error that is not SQLite's. */
export function sqliteCode(error: unknown): number | undefined {
  if (typeof error !== 'object' || error === null || !('errcode' in error)) return undefined
  return typeof error.errcode === 'number' ? error.errcode : undefined
}

/** Another connection has the lock, or is about to replace the file: trying again in a moment may succeed. */
export function isPassing(error: unknown): boolean {
  const code = sqliteCode(error)
  return code !== undefined && ((code & 255) === busy || (code & 255) === locked || code === shortRead)
}

export function isFull(error: unknown): boolean {
  return ((sqliteCode(error) ?? 0) & 255) === full
}

/** The statement does not fit the tables: a column or table is missing. */
export function isSchemaFault(error: unknown): boolean {
  return sqliteCode(error) === sqlError
}

/** The file itself is at fault, so every operation of the transaction meets the same error. */
export function isFileFault(error: unknown): boolean {
  const code = sqliteCode(error)
  return code !== undefined && [readOnly, ioError, corrupt, cannotOpen, notADatabase].includes(code & 255)
}

/** The error that users see for one of SQLite or of the file system; errors of tq pass unchanged. */
export function storeError(error: unknown, path: string): TqError {
  if (error instanceof TqError) return error
  const options = { cause: error }
  const said = error instanceof Error ? error.message : String(error)
  const code = sqliteCode(error)
  if (code === shortRead) return goneError(path, options)
  switch (code === undefined ? fileCode(error) : code & 255) {
    case busy:
    case locked:
      return lockedError(path, [], options)
    case readOnly:
    case cannotOpen:
      return new StoreError(
        'read-only',
        `Cannot write ${path} (${said}). Make it and its folder writable, or ${elsewhere}.`,
        options,
      )
    case ioError:
      return new ConnectionError(
        `Reading or writing ${path} failed (${said}). Check the disk, or ${elsewhere}.`,
        options,
      )
    case corrupt:
    case notADatabase:
      return new StoreError(
        'damaged',
        `${path} is damaged or not a database (${said}). \`tq doctor\` looks at it; \`tq doctor --reset\` moves it away, so that a new one is made. Or ${elsewhere}.`,
        options,
      )
    case full:
      return new StoreError(
        'full',
        `The disk of ${path} is full. Nothing was written. Free space, or ${elsewhere}. A limit (maxBytes in brokerTransportOptions) keeps the file from filling a disk.`,
        options,
      )
    default:
      return new ChannelError(`The database ${path} refused an operation: ${said}`, options)
  }
}

/** The size limit of the file is reached; what waits can still be run, and makes room. */
export function quotaError(path: string, limitBytes: number, cause: unknown): StoreError {
  return new StoreError(
    'full',
    `${path} has reached its limit of ${limitBytes} bytes (maxBytes in brokerTransportOptions, or in the URL). Nothing was written. Tasks that wait can still be run, and make room; or raise the limit, purge a queue, or lower resultExpires.`,
    { cause },
  )
}

/** A newer tq has changed the file while this process used it, or before. */
export function newerError(path: string, version: number, cause?: unknown): StoreError {
  return new StoreError(
    'newer',
    `${path} is of a newer tq (schema ${version}, this tq knows ${schemaVersion}). Update tq here and restart, or set TQ_DB to another path.`,
    { cause },
  )
}

/** `holders` are texts such as `process 4711 (stopped)`. */
export function lockedError(path: string, holders: readonly string[], options?: ErrorOptions): StoreError {
  const who = holders.length === 0 ? 'another process' : holders.join(', ')
  return new StoreError(
    'locked',
    `${path} is locked by ${who}. Continue or end that process (a stopped one keeps its lock until SIGCONT or SIGKILL), then try again.`,
    options,
  )
}

export function goneError(path: string, options?: ErrorOptions): StoreError {
  return new StoreError(
    'gone',
    `${path} was deleted or replaced while it was in use. Stop every process that uses it before deleting it; restart this one.`,
    options,
  )
}

// What node:fs says while the file is made, in SQLite's numbers.
function fileCode(error: unknown): number | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined
  switch (error.code) {
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
    case 'ENOENT':
    case 'ENOTDIR':
    case 'EISDIR':
      return cannotOpen
    case 'ENOSPC':
    case 'EDQUOT':
      return full
    default:
      return undefined
  }
}
