import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'

/** What is written at a definition, an app, a call of a task; a name that was made an alias of `task` is found later. */
const marks =
  /\.task(?![\w$])|\[['"`]task['"`]\]|[{,]\s*task\s*[,:}]|sharedTask|['"]tq-runtime|\.(?:delay|applyAsync|sendTask|signature|external|registerTask|si?)\s*(?:\?\.)?\s*[(<]/

/** Larger files are reported and not read. */
export const largestBytes = 1 << 20

export interface FileStamp {
  readonly mtimeMs: number
  readonly bytes: number
}

export type FileText =
  | { readonly kind: 'text'; readonly stamp: FileStamp; readonly text: string }
  /** Read, and without anything of interest. */
  | { readonly kind: 'dull'; readonly stamp: FileStamp }
  | { readonly kind: 'skipped'; readonly stamp: FileStamp; readonly reason: 'too-large' | 'minified' | 'unreadable' }
  /** No longer there, a link, or no file. */
  | { readonly kind: 'gone' }

/** Reads files through one buffer and decodes only those that hold one of the marks. */
export class FileReader {
  readonly #buffer = Buffer.allocUnsafe(largestBytes)

  /** `extra` are further words that make a file interesting; `always` skips the test. */
  read(path: string, test: { readonly extra?: RegExp | undefined; readonly always?: boolean | undefined }): FileText {
    let handle: number
    try {
      // Neither through a link nor waiting for the other end of a pipe.
      handle = openSync(path, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0))
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : undefined
      if (code === 'EACCES' || code === 'EPERM') {
        return { kind: 'skipped', stamp: { mtimeMs: 0, bytes: 0 }, reason: 'unreadable' }
      }
      return { kind: 'gone' }
    }
    try {
      const stat = fstatSync(handle)
      if (!stat.isFile()) return { kind: 'gone' }
      const stamp = { mtimeMs: stat.mtimeMs, bytes: stat.size }
      if (stat.size > largestBytes) return { kind: 'skipped', stamp, reason: 'too-large' }
      let length = 0
      for (;;) {
        const more = readSync(handle, this.#buffer, length, this.#buffer.length - length, null)
        length += more
        if (more === 0 || length === this.#buffer.length) break
      }
      const latin = this.#buffer.toString('latin1', 0, length)
      if (!test.always && !isInteresting(latin, test.extra)) return { kind: 'dull', stamp }
      if (isMinified(latin)) return { kind: 'skipped', stamp, reason: 'minified' }
      return { kind: 'text', stamp, text: withoutMark(this.#buffer.toString('utf8', 0, length)) }
    } catch {
      return { kind: 'skipped', stamp: { mtimeMs: 0, bytes: 0 }, reason: 'unreadable' }
    } finally {
      closeSync(handle)
    }
  }
}

/** Whether a text may hold definitions or calls. */
export function isInteresting(text: string, extra: RegExp | undefined): boolean {
  return marks.test(text) || (extra?.test(text) ?? false)
}

/** Written by a tool for a machine: lines of hundreds of characters on average. */
export function isMinified(text: string): boolean {
  if (text.length < 50_000) return false
  let lines = 1
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) lines++
  return text.length / lines > 500
}

/** Without a byte order mark: editors count from behind it. */
export function withoutMark(text: string): string {
  return text.startsWith('\uFEFF') ? text.slice(1) : text
}
