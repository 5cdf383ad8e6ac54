import { type LogFormat, logFormat } from './log-format.ts'

/** Where tq writes what it has to say. Any pino, winston or console-like object fits. */
export interface Logger {
  debug(message: string, fields?: Readonly<Record<string, unknown>>): void
  info(message: string, fields?: Readonly<Record<string, unknown>>): void
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void
  error(message: string, fields?: Readonly<Record<string, unknown>>): void
  /** False where an entry of this level would not be written: its text is then not even made. Absent: everything may be. */
  isEnabled?(level: Exclude<LogLevel, 'silent'>): boolean
  /** One whose entries are a task's. Absent: the task's name and id are written before each message. */
  forTask?(task: LoggedTask): Logger
}

export interface LoggedTask {
  readonly name: string
  readonly id: string
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent'

const order: readonly LogLevel[] = ['debug', 'info', 'warn', 'error', 'silent']
// Celery's names, in any case.
const otherNames: Readonly<Record<string, LogLevel>> = { warning: 'warn', critical: 'error', fatal: 'error' }

/** The level of this name, in any case and also as Python calls it; undefined where there is none. */
export function logLevelOf(name: string): LogLevel | undefined {
  const lower = name.toLowerCase()
  return order.find((level) => level === lower) ?? otherNames[lower]
}

/** How the processes of a worker log: plain data, it crosses to the pool's children. */
export interface LogSetup {
  /** Node name of the worker. */
  readonly hostname: string
  readonly level: LogLevel
  /** Name of the file, with placeholders; undefined is stderr. */
  readonly file: string | undefined
  readonly format: string
  readonly taskFormat: string
  readonly isColoured: boolean
  /** At which level what the processes write to their standard streams is logged; undefined leaves it alone. */
  readonly redirectLevel: LogLevel | undefined
}

/** Logging of a worker as it was set up, for its pool. */
export interface WorkerLog {
  readonly setup: LogSetup
  /** Writes text as it is where the log goes: lines of children. */
  readonly write: (text: string) => void
}

export const silentLogger: Logger = { debug() {}, info() {}, warn() {}, error() {}, isEnabled: () => false }

export interface LineLoggerOptions {
  /** From which level on it writes; a function is asked at each entry. */
  readonly level: LogLevel | (() => LogLevel)
  readonly now: () => number
  /** Takes text that ends in a newline. */
  readonly write: (line: string) => void
  readonly format: LogFormat
  /** Of what tasks say. */
  readonly taskFormat: LogFormat
}

/** Writes an entry as one line, or as several where its message has them. */
export function lineLogger(options: LineLoggerOptions, task?: LoggedTask): Logger {
  const { level, now, write } = options
  const format = task ? options.taskFormat : options.format
  const from = (): number => order.indexOf(typeof level === 'string' ? level : level())
  const isEnabled = (which: LogLevel): boolean => order.indexOf(which) >= from()
  const at =
    (which: Exclude<LogLevel, 'silent'>) =>
    (message: string, fields?: Readonly<Record<string, unknown>>): void => {
      if (isEnabled(which)) write(`${format({ timeMs: now(), level: which, message, fields, task })}\n`)
    }
  return {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    isEnabled,
    forTask: (one) => lineLogger(options, one),
  }
}

/** Writes one line per entry to stderr, `[time: LEVEL] message`, from `level` on; a function is asked at each entry. */
export function consoleLogger(
  level: LogLevel | (() => LogLevel),
  now: () => number,
  write: (line: string) => void = writeStderr,
): Logger {
  return lineLogger({
    level,
    now,
    write,
    format: logFormat('[%(asctime)s: %(levelname)s] %(message)s'),
    taskFormat: logFormat('[%(asctime)s: %(levelname)s] %(taskName)s[%(taskId)s]: %(message)s'),
  })
}

/** A task's logger: its entries carry the task's name and id. */
export function loggerOfTask(logger: Logger, task: LoggedTask): Logger {
  const own = logger.forTask?.(task)
  if (own) return own
  const at =
    (level: 'debug' | 'info' | 'warn' | 'error') =>
    (message: string, fields?: Readonly<Record<string, unknown>>): void =>
      logger[level](`${task.name}[${task.id}]: ${message}`, fields)
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}

function writeStderr(line: string): void {
  process.stderr.write(line)
}
