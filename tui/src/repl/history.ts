import { appendFileSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { historyLimit } from './editor.ts'

/**
 * The inputs of a project, one JSON string per line, so that a block of several lines comes back as a block.
 * Two sessions may append to it at once; it is shortened when it is opened.
 */
export class History {
  readonly #folder: string
  readonly #file: string

  /** `projectFolder`/.tq/repl-history, readable by its owner only. */
  constructor(projectFolder: string) {
    this.#folder = join(projectFolder, '.tq')
    this.#file = join(this.#folder, 'repl-history')
  }

  /** Oldest first, at most 2,000. A file that cannot be read is an empty history. */
  read(): readonly string[] {
    let lines: readonly string[]
    try {
      lines = readFileSync(this.#file, 'utf8')
        .split('\n')
        .filter((line) => line !== '')
    } catch {
      return []
    }
    const entries = lines.map(parseEntry).filter((entry) => entry !== undefined)
    if (lines.length > historyLimit * 1.5) this.#compact(entries.slice(-historyLimit))
    return entries.slice(-historyLimit)
  }

  /** Inputs that start with a space are not stored, nor is what cannot be written: the REPL goes on without. */
  append(input: string): void {
    if (!isKept(input)) return
    try {
      this.#makeFolder()
      appendFileSync(this.#file, `${JSON.stringify(input)}\n`, { mode: 0o600 })
    } catch {
      // a read-only project
    }
  }

  #compact(entries: readonly string[]): void {
    try {
      const fresh = `${this.#file}.${process.pid}`
      writeFileSync(fresh, entries.map((entry) => `${JSON.stringify(entry)}\n`).join(''), { mode: 0o600 })
      renameSync(fresh, this.#file)
    } catch {
      // a read-only project
    }
  }

  #makeFolder(): void {
    if (existsSync(this.#folder)) return
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 })
    writeFileSync(join(this.#folder, '.gitignore'), '*\n')
  }
}

/** Whether an input is remembered at all, in the file and in the session. */
export function isKept(input: string): boolean {
  return input.trim() !== '' && !input.startsWith(' ')
}

function parseEntry(line: string): string | undefined {
  try {
    const entry: unknown = JSON.parse(line)
    return typeof entry === 'string' ? entry : undefined
  } catch {
    return undefined
  }
}
