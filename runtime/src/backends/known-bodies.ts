const most = 10_000

/** The chords whose body this process has stored: it needs to be told once, and a header may have thousands of parts. */
export class KnownBodies {
  readonly #known = new Set<string>()

  has(groupId: string): boolean {
    return this.#known.has(groupId)
  }

  add(groupId: string): void {
    const [oldest] = this.#known
    if (this.#known.size >= most && oldest !== undefined) this.#known.delete(oldest)
    this.#known.add(groupId)
  }

  /** Its record is gone: should it come again, it needs a body again. */
  delete(groupId: string): void {
    this.#known.delete(groupId)
  }
}
