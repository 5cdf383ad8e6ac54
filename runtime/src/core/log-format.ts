import { inspect } from 'node:util'
import { SettingError } from './errors.ts'
import { printable } from './printable.ts'

/** One thing that was said, as formats see it. */
export interface LogEntry {
  readonly timeMs: number
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  readonly message: string
  readonly fields: Readonly<Record<string, unknown>> | undefined
  /** The task that said it. */
  readonly task: { readonly name: string; readonly id: string } | undefined
}

/** Writes an entry as one piece of text, without the newline at its end. */
export type LogFormat = (entry: LogEntry) => string

export interface LogFormatOptions {
  /** `MainProcess`, or which child of the pool. */
  readonly processName?: string | undefined
  /** Colours the messages by their level, for terminals. */
  readonly isColoured?: boolean | undefined
}

/** Celery's `worker_log_format`. */
export const workerLogFormat = '[%(asctime)s: %(levelname)s/%(processName)s] %(message)s'
/** Celery's `worker_task_log_format`. */
export const workerTaskLogFormat = '[%(asctime)s: %(levelname)s/%(processName)s] %(taskName)s[%(taskId)s]: %(message)s'

const levelNames = { debug: 'DEBUG', info: 'INFO', warn: 'WARNING', error: 'ERROR' } as const
const levelNumbers = { debug: 10, info: 20, warn: 30, error: 40 } as const
// Source of the colours: celery/utils/log.py, ColorFormatter.
const colours = { debug: 34, info: undefined, warn: 33, error: 31 } as const
const directive = /%(?:%|\((\w+)\)([-0]?)(\d*)(?:\.\d+)?([a-zA-Z]))/g

/**
 * Reads a format: Python's, as Celery's settings have it (`%(levelname)-8s %(message)s`), or `json` for one JSON object per line. Control
 * characters are shown, not sent to the terminal: names, ids and arguments of tasks come from whoever may publish.
 * Throws SettingError for a field that there is not.
 */
export function logFormat(pattern: string, options: LogFormatOptions = {}): LogFormat {
  if (pattern === 'json') return jsonFormat(options)
  const pieces: ((entry: LogEntry) => string)[] = []
  let end = 0
  for (const match of pattern.matchAll(directive)) {
    const literal = pattern.slice(end, match.index)
    if (literal !== '') pieces.push(() => literal)
    end = match.index + match[0].length
    const [whole, name = '', flag = '', width = '', kind = ''] = match
    pieces.push(whole === '%%' ? () => '%' : fieldOf(name, flag, Number(width), kind, options))
  }
  const rest = pattern.slice(end)
  if (/%\(/.test(rest)) throw new SettingError(`The log format ${JSON.stringify(pattern)} ends within a field.`)
  pieces.push(() => rest)
  return (entry) => pieces.map((piece) => piece(entry)).join('')
}

function jsonFormat({ processName }: LogFormatOptions): LogFormat {
  return ({ timeMs, level, message, fields, task }) =>
    JSON.stringify({
      time: new Date(timeMs).toISOString(),
      level,
      pid: process.pid,
      processName,
      taskName: task?.name,
      taskId: task?.id,
      message,
      ...(fields && Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, jsonField(value)]))),
    })
}

function jsonField(value: unknown): unknown {
  if (value instanceof Error) return value.stack ?? value.message
  return typeof value === 'object' || typeof value === 'bigint' || typeof value === 'function'
    ? inspect(value, inspecting)
    : value
}

const inspecting = { breakLength: Infinity, depth: 3, maxStringLength: 2000 } as const

/** Names are those of Python's logging, of which these have a meaning here; Celery's two of tasks may have their underscores. */
function fieldOf(
  name: string,
  flag: string,
  width: number,
  kind: string,
  options: LogFormatOptions,
): (entry: LogEntry) => string {
  const value = fieldValues(options)[name.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())]
  if (!value) {
    const known = Object.keys(fieldValues({})).join(', ')
    throw new SettingError(`A log format has no field '${name}'. There are: ${known}; %% is a percent sign.`)
  }
  const text = (entry: LogEntry): string => (kind === 'd' ? String(Math.floor(Number(value(entry)))) : value(entry))
  if (width === 0) return text
  if (flag === '-') return (entry) => text(entry).padEnd(width)
  return (entry) => text(entry).padStart(width, flag === '0' ? '0' : ' ')
}

function fieldValues({
  processName = 'MainProcess',
  isColoured = false,
}: LogFormatOptions): Readonly<Record<string, (entry: LogEntry) => string>> {
  return {
    asctime: ({ timeMs }) => new Date(timeMs).toISOString().replace('T', ' ').replace('Z', ''),
    created: ({ timeMs }) => (timeMs / 1000).toFixed(6),
    msecs: ({ timeMs }) => String(Math.floor(timeMs % 1000)),
    levelname: ({ level }) => levelNames[level],
    levelno: ({ level }) => String(levelNumbers[level]),
    name: ({ task }) => (task ? 'tq.task' : 'tq'),
    process: () => String(process.pid),
    processName: () => processName,
    taskName: ({ task }) => printable(task?.name ?? '???'),
    taskId: ({ task }) => printable(task?.id ?? '???'),
    message: ({ level, message, fields }) => {
      const text = printable(fields ? `${message} ${inspect(fields, inspecting)}` : message)
      const colour = isColoured ? colours[level] : undefined
      return colour === undefined ? text : `\u001B[${colour}m${text}\u001B[0m`
    },
  }
}
