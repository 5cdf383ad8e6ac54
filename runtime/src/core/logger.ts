import { inspect } from 'node:util'

/** Where tq writes what it has to say. Any pino, winston or console-like object fits. */
export interface Logger {
  debug(message: string, fields?: Readonly<Record<string, unknown>>): void
  info(message: string, fields?: Readonly<Record<string, unknown>>): void
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void
  error(message: string, fields?: Readonly<Record<string, unknown>>): void
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent'

const order: readonly LogLevel[] = ['debug', 'info', 'warn', 'error', 'silent']

export const silentLogger: Logger = { debug() {}, info() {}, warn() {}, error() {} }

/** Writes one line per entry to stderr, `[time: LEVEL] message`, from `level` on; a function is asked at each entry. */
export function consoleLogger(
  level: LogLevel | (() => LogLevel),
  now: () => number,
  write: (line: string) => void = writeStderr,
): Logger {
  const from = (): number => order.indexOf(typeof level === 'string' ? level : level())
  const at =
    (which: LogLevel) =>
    (message: string, fields?: Readonly<Record<string, unknown>>): void => {
      if (order.indexOf(which) < from()) return
      const time = new Date(now()).toISOString().replace('T', ' ').replace('Z', '')
      const more = fields ? ` ${inspect(fields, { breakLength: Infinity, depth: 3, maxStringLength: 2000 })}` : ''
      write(`[${time}: ${which.toUpperCase()}] ${message}${more}\n`)
    }
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}

function writeStderr(line: string): void {
  process.stderr.write(line)
}
