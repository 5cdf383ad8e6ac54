import { isReady, type TaskMeta } from '../core/states.ts'
import { integer, type Row, text } from '../drivers/sqlite-connection.ts'
import { lastSequence, type SqliteStore } from '../drivers/sqlite-store.ts'

const rowsAtOnce = 5000

interface Change {
  readonly seq: number
  readonly meta: string
}

/** One `watch` and what it has not yielded yet. */
interface Waiter {
  readonly changes: Change[]
  /** Number of the newest change seen of each task: the first look and the cursor may bring the same one. */
  readonly seen: Map<string, number>
  wake(): void
}

/**
 * Reads changes of results by their number, for all who wait in this process: one range read per wake-up, however many results
 * are awaited.
 */
export class ResultWatch {
  readonly #store: SqliteStore
  readonly #waiters = new Map<string, Set<Waiter>>()
  readonly #closed = new AbortController()
  readonly #stop: () => void
  #open = 0
  #cursor = 0
  #replacements = 0
  #isReading = false
  #isAgain = false

  constructor(store: SqliteStore) {
    this.#store = store
    this.#stop = store.onWake('result', () => this.#wake())
  }

  close(): void {
    this.#closed.abort()
    this.#stop()
  }

  /** `decode` makes a meta of a stored text, `check` throws once the backend is closed. */
  async *watch(
    ids: readonly string[],
    signal: AbortSignal,
    steps: { readonly decode: (text: string) => TaskMeta; readonly check: () => void },
  ): AsyncGenerator<TaskMeta> {
    const waiting = new Set(ids)
    if (waiting.size === 0 || signal.aborted) return
    const waiter: Waiter = { changes: [], seen: new Map(), wake() {} }
    const release = await this.#store.presence.want('result')
    const ended = AbortSignal.any([signal, this.#closed.signal])
    const onEnd = (): void => waiter.wake()
    ended.addEventListener('abort', onEnd)
    try {
      await this.#add(waiting, waiter)
      await this.#readCurrent(waiting, waiter)
      while (waiting.size > 0 && !signal.aborted) {
        steps.check()
        const change = waiter.changes.shift()
        if (change === undefined) {
          await new Promise<void>((resolve) => {
            waiter.wake = resolve
          })
          continue
        }
        const meta = steps.decode(change.meta)
        if (isReady(meta.state)) waiting.delete(meta.id)
        yield meta
      }
    } finally {
      ended.removeEventListener('abort', onEnd)
      this.#remove(ids, waiter)
      release()
    }
  }

  async #add(ids: ReadonlySet<string>, waiter: Waiter): Promise<void> {
    // While nobody waited, nobody read: what happened meanwhile is of no interest.
    if (this.#open++ === 0) {
      this.#replacements = this.#store.replacements
      this.#cursor = await this.#store.read((reader) => lastSequence(reader, 'result'))
    }
    for (const id of ids) this.#waiters.set(id, (this.#waiters.get(id) ?? new Set()).add(waiter))
  }

  #remove(ids: readonly string[], waiter: Waiter): void {
    this.#open--
    for (const id of ids) {
      const left = this.#waiters.get(id)
      left?.delete(waiter)
      if (left?.size === 0) this.#waiters.delete(id)
    }
  }

  async #readCurrent(ids: ReadonlySet<string>, waiter: Waiter): Promise<void> {
    const rows = await this.#store.read((reader) =>
      reader.all(
        'select seq, id, meta from result where id in (select value from json_each(?)) and expires>? order by seq',
        JSON.stringify([...ids]),
        this.#store.clock.now(),
      ),
    )
    for (const row of rows) push(waiter, row)
  }

  #wake(): void {
    if (this.#waiters.size === 0) return
    if (this.#isReading) {
      this.#isAgain = true
      return
    }
    this.#isReading = true
    this.#readOn()
      .catch((error: unknown) => {
        // The next wake-up, 500 ms away at most, reads on from the same place.
        this.#store.logger.debug(`Could not read results from ${this.#store.path}; trying again.`, { error })
      })
      .finally(() => {
        this.#isReading = false
      })
  }

  async #readOn(): Promise<void> {
    do {
      this.#isAgain = false
      const rows = await this.#store.read((reader) => {
        this.#startAnew()
        return reader.all(
          'select seq, id, meta from result where seq>? order by seq limit +?',
          this.#cursor,
          rowsAtOnce,
        )
      })
      for (const row of rows) {
        this.#cursor = Math.max(this.#cursor, integer(row['seq']))
        for (const waiter of this.#waiters.get(text(row['id'])) ?? []) push(waiter, row)
      }
      if (rows.length === rowsAtOnce) {
        this.#isAgain = true
        await new Promise((resolve) => setImmediate(resolve))
      }
    } while (this.#isAgain && this.#waiters.size > 0)
  }

  // In a file that took the place of ours the numbers begin again.
  #startAnew(): void {
    if (this.#replacements === this.#store.replacements) return
    this.#replacements = this.#store.replacements
    this.#cursor = 0
    for (const waiters of this.#waiters.values()) for (const waiter of waiters) waiter.seen.clear()
  }
}

function push(waiter: Waiter, row: Row): void {
  const seq = integer(row['seq'])
  const id = text(row['id'])
  if (seq <= (waiter.seen.get(id) ?? 0)) return
  waiter.seen.set(id, seq)
  waiter.changes.push({ seq, meta: text(row['meta']) })
  waiter.wake()
}
