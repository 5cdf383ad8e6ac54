import { inspect, types } from 'node:util'

/** No value is printed longer than this; `.full` shows the rest. */
export const textLimit = 32_000
const keyLimit = 200

export interface PrintOptions {
  readonly width: number
  readonly colours: boolean
  /** Where a text was cut: name the command that shows it whole. Default true. */
  readonly hints?: boolean | undefined
}

export interface Printed {
  readonly text: string
  readonly cut: boolean
}

/**
 * A value as the REPL shows it. Getters are not run and proxies not entered. `util.inspect` bounds arrays, strings and depth
 * but not the number of keys, hence the copy of the first 200.
 */
export function printValue(value: unknown, options: PrintOptions): Printed {
  const { shown, left } = firstKeys(value)
  const hint = (text: string): string => (options.hints === false ? '' : ` (.full shows ${text})`)
  const text = inspect(shown, {
    depth: 4,
    maxArrayLength: 100,
    maxStringLength: 10_000,
    breakLength: Math.max(20, options.width),
    showProxy: true,
    colors: options.colours,
  })
  const cut = text.length > textLimit
  const more = left > 0 ? `\n… ${left} more keys${hint('them')}` : ''
  return {
    text:
      (cut ? `${text.slice(0, textLimit)}${options.colours ? '\u001b[0m' : ''}\n… cut${hint('the rest')}` : text) +
      more,
    cut: cut || left > 0,
  }
}

/** The whole value, for a pager. */
export function printWhole(value: unknown, colours: boolean): string {
  return inspect(value, { depth: 20, maxArrayLength: null, maxStringLength: null, showProxy: true, colors: colours })
}

/** One short line for the grey preview; runs no code of the value. */
export function printPreview(value: unknown, width: number): string {
  const text = inspect(firstKeys(value).shown, {
    depth: 1,
    maxArrayLength: 8,
    maxStringLength: 200,
    breakLength: Number.POSITIVE_INFINITY,
    compact: true,
    customInspect: false,
    showProxy: true,
  }).replaceAll(/\s*\n\s*/gu, ' ')
  return text.length > width ? `${text.slice(0, Math.max(1, width - 1))}…` : text
}

export interface ErrorPrintOptions {
  readonly colours: boolean
  readonly projectFolder: string
  /** Folders of tq itself: their frames are folded, as Node's are. */
  readonly foreignFolders: readonly string[]
  /** Keep every frame (`.trace`). */
  readonly whole?: boolean | undefined
}

/** An error with the user's frames first; those of tq and Node are folded to one line. */
export function printError(error: unknown, options: ErrorPrintOptions): string {
  if (!types.isNativeError(error)) return `Uncaught ${printValue(error, { width: 80, colours: options.colours }).text}`
  const ours = 'code' in error && typeof error.code === 'string' && error.code.startsWith('TQ_')
  const full = ours ? whatItSays(error) : inspect(error, { depth: 2, maxStringLength: 2_000, colors: false })
  return foldFrames(full, options, ours).slice(0, textLimit)
}

function whatItSays(error: Error): string {
  const cause = types.isNativeError(error.cause) ? `\n  [cause]: ${error.cause.name}: ${error.cause.message}` : ''
  return `${error.stack ?? `${error.name}: ${error.message}`}${cause}`
}

function foldFrames(text: string, options: ErrorPrintOptions, dropOwn: boolean): string {
  const folder = options.projectFolder.replace(/\/$/u, '')
  const lines: string[] = []
  let folded = 0
  let afterInspector = false
  const flush = (indent: string): void => {
    if (folded > 0) lines.push(`${indent}… ${folded} ${folded === 1 ? 'frame' : 'frames'} in tq and node (.trace)`)
    folded = 0
    afterInspector = false
  }
  let indent = '    '
  for (const line of text.split('\n')) {
    if (/^\s*\.\.\. \d+ lines matching cause stack trace/u.test(line)) continue
    const frame = /^(\s*)at .*/u.exec(line)
    if (frame === null) {
      flush(indent)
      lines.push(line)
      continue
    }
    indent = frame[1] ?? indent
    // What follows this frame is the engine itself.
    if (line.includes('at Session.post (node:inspector')) afterInspector = true
    const ours = dropOwn && options.whole !== true && /\brepl:\d+/u.test(line)
    const foreign = options.whole !== true && isForeignFrame(line, options.foreignFolders)
    if (!afterInspector && !ours && !foreign) {
      lines.push(line.replaceAll(`file://${folder}/`, '').replaceAll(`${folder}/`, ''))
      continue
    }
    if (!afterInspector && foreign) folded += 1
    // inspect hangs the braces of an error's own properties on its last frame.
    const brace = / \{$|[)\d]([}\]]+)$/u.exec(line)
    if (brace !== null) lines.push(`${lines.pop() ?? ''} ${brace[1] ?? '{'}`)
  }
  if (!dropOwn) flush(indent)
  return lines.join('\n').trimEnd()
}

function isForeignFrame(line: string, folders: readonly string[]): boolean {
  return /[( ]node:/u.test(line) || folders.some((folder) => line.includes(folder))
}

function firstKeys(value: unknown): { readonly shown: unknown; readonly left: number } {
  if (typeof value !== 'object' || value === null || types.isProxy(value)) return { shown: value, left: 0 }
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) return { shown: value, left: 0 }
  const keys = Object.keys(value)
  if (keys.length <= keyLimit) return { shown: value, left: 0 }
  const shown = {}
  for (const key of keys.slice(0, keyLimit)) {
    const descriptor = Object.getOwnPropertyDescriptor(value, key)
    if (descriptor !== undefined) Object.defineProperty(shown, key, descriptor)
  }
  return { shown, left: keys.length - keyLimit }
}
