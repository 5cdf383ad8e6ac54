import { inspect } from 'node:util'
import { printable } from './printable.ts'

/** Where tq writes what it has to say. Any pino, winston or console-like object fits. */
export interface Logger {
  debug(message: string, fields?: Readonly<Record<string, unknown>>): void
  info(message: string, fields?: Readonly<Record<string, unknown>>): void
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void
  error(message: string, fields?: Readonly<Record<string, unknown>>): void
  /** False where an entry of this level would not be written: its text is then not even made. Absent: everything may be. */
  isEnabled?(level: Exclude<LogLevel, 'silent'>): boolean
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent'

const order: readonly LogLevel[] = ['debug', 'info', 'warn', 'error', 'silent']

export const silentLogger: Logger = { debug() {}, info() {}, warn() {}, error() {}, isEnabled: () => false }

/**
 * Writes one line per entry to stderr, `[time: LEVEL] message`, from `level` on; a function is asked at each entry. Control
 * characters are shown, not sent to the terminal: names, ids and arguments of tasks come from whoever may publish.
 */
export function consoleLogger(
  level: LogLevel | (() => LogLevel),
  now: () => number,
  write: (line: string) => void = writeStderr,
): Logger {
  const from = (): number => order.indexOf(typeof level === 'string' ? level : level())
  const isEnabled = (which: LogLevel): boolean => order.indexOf(which) >= from()
  const at =
    (which: LogLevel) =>
    (message: string, fields?: Readonly<Record<string, unknown>>): void => {
      if (!isEnabled(which)) return
      const time = new Date(now()).toISOString().replace('T', ' ').replace('Z', '')
      const more = fields ? ` ${inspect(fields, { breakLength: Infinity, depth: 3, maxStringLength: 2000 })}` : ''
      write(`${printable(`[${time}: ${which.toUpperCase()}] ${message}${more}`)}\n`)
    }
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error'), isEnabled }
}

function writeStderr(line: string): void {
  process.stderr.write(line)
}
