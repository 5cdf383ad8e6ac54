import { distance } from 'fastest-levenshtein'

interface Found {
  /** Undefined: nothing is near. */
  readonly best: string | undefined
  readonly far: number
}

const mostKept = 2000

/**
 * Suggests the name that a mistyped one may mean. Remembers its answers and brings them up to date with each name that comes
 * or goes: a name nobody defines is asked about with every edit, and there may be thousands of both.
 */
export class Spelling {
  readonly #names = new Set<string>()
  readonly #found = new Map<string, Found>()

  add(name: string): void {
    if (this.#names.has(name)) return
    this.#names.add(name)
    for (const [asked, found] of this.#found) {
      const better = closer(asked, name, found)
      if (better) this.#found.set(asked, better)
    }
  }

  remove(name: string): void {
    this.#names.delete(name)
    for (const [asked, { best }] of this.#found) if (best === name) this.#found.delete(asked)
  }

  /** The nearest name: two typing errors, or a third of its length; of several the first in order of the alphabet. */
  nearest(asked: string): string | undefined {
    const known = this.#found.get(asked)
    if (known) return known.best
    let found: Found = { best: undefined, far: Math.max(2, Math.floor(asked.length / 3)) + 1 }
    for (const name of this.#names) found = closer(asked, name, found) ?? found
    // What was asked in between is mostly half of a word that was being typed.
    if (this.#found.size >= mostKept) this.#found.clear()
    this.#found.set(asked, found)
    return found.best
  }
}

function closer(asked: string, name: string, { best, far }: Found): Found | undefined {
  if (Math.abs(name.length - asked.length) > far) return undefined
  const own = distance(asked, name)
  const isCloser = own < far || (own === far && best !== undefined && name < best)
  return isCloser ? { best: name, far: own } : undefined
}
