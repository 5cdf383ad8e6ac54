import type { FileSummary } from './file-summary.ts'

/** What evaluation needs of the workspace. */
export interface Summaries {
  /** Summary of a file; undefined where it is not worth reading for this. */
  summary(file: string): FileSummary | undefined
  /** `probed` is told what else the answer rests on: `?` and a path whose appearance would change it. */
  resolve(from: string, specifier: string, probed: (key: string) => void): string | undefined
}

/** Where a name comes from that is not a file of the folder. */
export const libraryOrigin = 'tq-runtime'

const library = /^tq-runtime(?:\/testing)?$/

/** Whether an import means the library itself. */
export function isLibrary(specifier: string): boolean {
  return library.test(specifier)
}

/**
 * Follows `export *`. Whoever asks a file for a name rests on one key, `*file`, instead of on every file that it hands on:
 * `widened` adds that key when which names are handed on may have changed, which is `>` and a file, or a path that was probed.
 */
export class Stars {
  readonly #of: Summaries
  readonly #edges = new Map<string, Edges>()
  /** By file: all that `*file` rests on. */
  readonly #reaches = new Map<string, ReadonlySet<string>>()

  constructor(summaries: Summaries) {
    this.#of = summaries
  }

  /** The files that export the name themselves, of those that a file hands on. A nearer one hides what it hands on itself. */
  originsOf(file: string, name: string): readonly string[] {
    this.#reach(file)
    const found: string[] = []
    const seen = new Set([file])
    const open = [file]
    for (let at = open.pop(); at !== undefined; at = open.pop()) {
      const { targets, hasLibrary } = this.#edgesOf(at)
      if (hasLibrary && !found.includes(libraryOrigin)) found.push(libraryOrigin)
      for (const target of targets) {
        if (seen.has(target)) continue
        seen.add(target)
        const exports = this.#of.summary(target)?.exports
        if (exports && (Object.hasOwn(exports, name) || Object.hasOwn(exports, '='))) found.push(target)
        else open.push(target)
      }
    }
    return found
  }

  /** These keys, and `*file` of every file that hands on what they stand for. */
  widened(keys: ReadonlySet<string>): ReadonlySet<string> {
    const all = new Set(keys)
    for (const [file, reach] of this.#reaches) if (meets(keys, reach)) all.add(`*${file}`)
    return all
  }

  /** Drops what rests on these keys, or all. */
  forget(keys: ReadonlySet<string> | undefined): void {
    if (keys && ![...this.#reaches.values()].some((reach) => meets(keys, reach))) return
    this.#reaches.clear()
    this.#edges.clear()
  }

  #reach(file: string): void {
    if (this.#reaches.has(file)) return
    const keys = new Set([`>${file}`])
    const seen = new Set([file])
    const open = [file]
    for (let at = open.pop(); at !== undefined; at = open.pop()) {
      const { targets, probed } = this.#edgesOf(at)
      for (const key of probed) keys.add(key)
      for (const target of targets) {
        keys.add(`>${target}`)
        if (!seen.has(target)) open.push(target)
        seen.add(target)
      }
    }
    this.#reaches.set(file, keys)
  }

  #edgesOf(file: string): Edges {
    const known = this.#edges.get(file)
    if (known) return known
    const probed: string[] = []
    const targets: string[] = []
    let hasLibrary = false
    for (const specifier of this.#of.summary(file)?.stars ?? []) {
      if (isLibrary(specifier)) {
        hasLibrary = true
        continue
      }
      const target = this.#of.resolve(file, specifier, (key) => probed.push(key))
      if (target !== undefined) targets.push(target)
    }
    const edges = { targets, probed, hasLibrary }
    this.#edges.set(file, edges)
    return edges
  }
}

interface Edges {
  readonly targets: readonly string[]
  readonly probed: readonly string[]
  readonly hasLibrary: boolean
}

/** Whether two sets have a member in common. */
export function meets(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  const [small, large] = a.size < b.size ? [a, b] : [b, a]
  for (const one of small) if (large.has(one)) return true
  return false
}
