import { closeSync, fstatSync, mkdirSync, openSync, statSync, writeSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { SettingError } from '../core/errors.ts'
import { nodeName } from '../core/id.ts'

/** Who writes a log file, for the placeholders of its name. */
export interface LogFileOwner {
  /** Node name of the worker. */
  readonly hostname: string
  /** Which child of the pool; 0 is the worker itself. */
  readonly index: number
}

/**
 * The name of a log or pid file: `%p` the node name, `%n` its part before the @, `%h` that after it, `%d` the host's domain, `%i` the
 * child's index (0 for the worker), `%I` the same as `-1` and nothing for the worker, `%%` a percent sign. Throws SettingError for another.
 * Source: celery/utils/nodenames.py, node_format and host_format.
 */
export function fileNameFor(pattern: string, { hostname, index }: LogFileOwner): string {
  const at = hostname.indexOf('@')
  const [name, host] = [hostname.slice(0, at), hostname.slice(at + 1)]
  const domain = nodeName('x@%d', host).slice(2)
  const parts: Readonly<Record<string, string>> = {
    p: hostname,
    n: name,
    h: host,
    d: domain,
    i: String(index),
    I: index === 0 ? '' : `-${index}`,
    '%': '%',
  }
  return pattern.replaceAll(/%(.)/g, (whole, key: string) => {
    const part = parts[key]
    if (part === undefined)
      throw new SettingError(`A file name has no ${whole} in '${pattern}'. There are %p %n %h %d %i %I %%.`)
    return part
  })
}

/** Whether the children of a pool have files of their own. */
export function isPerChild(pattern: string): boolean {
  return /(?:^|[^%])(?:%%)*%[iI]/.test(pattern)
}

/**
 * A log file that is appended to. When it is renamed or removed the next line goes to a new file of its name, so that logrotate needs
 * no signal. Written at once and synchronously: what a crash was about is in it. Source: logging.handlers.WatchedFileHandler.
 */
export class LogFile {
  readonly path: string
  readonly #otherwise: (text: string) => void
  #fd: number

  /** `otherwise` takes what cannot be written there any more. Throws SettingError where that is so from the beginning. */
  constructor(path: string, otherwise: (text: string) => void) {
    this.path = resolve(path)
    this.#otherwise = otherwise
    this.#fd = this.#open()
  }

  readonly write = (text: string): void => {
    try {
      if (!this.#isCurrent()) this.#reopen()
      writeSync(this.#fd, text)
    } catch {
      // A full disk must not end the worker.
      this.#otherwise(text)
    }
  }

  /** What is written after it is for `otherwise`. */
  close(): void {
    closeSync(this.#fd)
    this.#fd = -1 // the number may soon be another file's
  }

  #reopen(): void {
    const fresh = this.#open()
    closeSync(this.#fd)
    this.#fd = fresh
  }

  #isCurrent(): boolean {
    const there = statSync(this.path, { throwIfNoEntry: false })
    const { ino, dev } = fstatSync(this.#fd)
    return there !== undefined && there.ino === ino && there.dev === dev
  }

  #open(): number {
    try {
      mkdirSync(dirname(this.path), { recursive: true })
      return openSync(this.path, 'a', 0o640)
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error)
      throw new SettingError(`Could not open the log file ${this.path}: ${why}`, { cause: error })
    }
  }
}
