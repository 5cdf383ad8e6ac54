import type { RawMessage } from '../core/message.ts'
import type { Transaction } from '../drivers/sqlite-commit.ts'
import { type Cell, integer, type Row, text } from '../drivers/sqlite-connection.ts'
import { lastSequence, type SqliteStore } from '../drivers/sqlite-store.ts'
import { decodeEnvelope } from '../wire/envelope.ts'
import { topicMatches } from './topology.ts'
import type { Listening, ListenOptions } from './transport.ts'

/** The table is the history that a console reads at its start, hence its bounds. */
const history = { rows: 20_000, ms: 60_000, mostRows: 100_000, trimEvery: 1000 }
const rowsAtOnce = 1000

interface Listener {
  readonly topic: string
  readonly pattern: string | undefined
  /** Rows up to this are older than the listener. */
  readonly from: number
  readonly onMessage: (message: RawMessage) => void
}

export function replyTopic(exchange: string, routingKey: string): string {
  return `${exchange}/${routingKey}`
}

export function addFanout(
  tx: Transaction,
  row: { readonly topic: string; readonly routingKey: string; readonly envelope: string },
  nowMs: number,
): void {
  const at = Math.floor(nowMs)
  const seq = tx.insert(
    'insert into fanout(topic, key, at, body) values(?,?,?,?)',
    row.topic,
    row.routingKey,
    at,
    row.envelope,
  )
  tx.ring('event')
  if (seq % history.trimEvery !== 0) return
  tx.run(
    'delete from fanout where seq<=? and (seq<=? or at<?)',
    seq - history.rows,
    seq - history.mostRows,
    at - history.ms,
  )
}

/** Reads on in the table from where it was, for all listeners of one transport; its cursor is in memory only. */
export class FanoutReader {
  readonly #store: SqliteStore
  readonly #listeners = new Set<Listener>()
  readonly #stop: () => void
  #cursor = 0
  #replacements: number
  #isReading = false
  #isAgain = false

  constructor(store: SqliteStore) {
    this.#store = store
    this.#replacements = store.replacements
    this.#stop = store.onWake('event', () => this.#wake())
  }

  async listen(exchange: string, options: ListenOptions, onMessage: (message: RawMessage) => void): Promise<Listening> {
    const release = await this.#store.presence.want('event')
    let from: number
    try {
      from = await this.#store.read((reader) => lastSequence(reader, 'fanout'))
    } catch (error) {
      release()
      throw error
    }
    const pattern = options.pattern ?? '#'
    const listener: Listener =
      options.replyQueue === undefined
        ? { topic: exchange, pattern: pattern === '#' ? undefined : pattern, from, onMessage }
        : { topic: replyTopic(exchange, pattern), pattern: undefined, from, onMessage }
    if (this.#listeners.size === 0) this.#cursor = from
    this.#listeners.add(listener)
    this.#wake()
    return {
      close: async () => {
        this.#listeners.delete(listener)
        release()
      },
    }
  }

  close(): void {
    this.#listeners.clear()
    this.#stop()
  }

  #wake(): void {
    if (this.#listeners.size === 0) return
    if (this.#isReading) {
      this.#isAgain = true
      return
    }
    this.#isReading = true
    this.#readAll()
      .catch((error: unknown) => {
        // The next wake-up, 500 ms away at most, reads on from the same place.
        this.#store.logger.debug(`Could not read events from ${this.#store.path}; trying again.`, { error })
      })
      .finally(() => {
        this.#isReading = false
      })
  }

  async #readAll(): Promise<void> {
    do {
      this.#isAgain = false
      const rows = await this.#store.read((reader) => {
        if (this.#replacements !== this.#store.replacements) {
          this.#replacements = this.#store.replacements
          this.#cursor = 0
        }
        return reader.all(
          'select seq, topic, key, body from fanout where seq>? order by seq limit +?',
          this.#cursor,
          rowsAtOnce,
        )
      })
      this.#deliver(rows)
      if (rows.length === rowsAtOnce) {
        this.#isAgain = true
        await new Promise((resolve) => setImmediate(resolve))
      }
    } while (this.#isAgain && this.#listeners.size > 0)
  }

  #deliver(rows: readonly Row[]): void {
    const first = rows[0]
    if (first === undefined) return
    const missing = integer(first['seq']) - this.#cursor - 1
    if (missing >= history.trimEvery) {
      this.#store.logger.warn(
        `This process was too slow for the events in ${this.#store.path} and missed ${missing}; ask the workers for their state anew.`,
      )
    }
    for (const row of rows) {
      const seq = integer(row['seq'])
      this.#cursor = Math.max(this.#cursor, seq)
      const hearers = [...this.#listeners].filter((listener) => isFor(listener, row, seq))
      if (hearers.length === 0) continue
      const message = readMessage(row['body'])
      if (message !== undefined) for (const listener of hearers) listener.onMessage(message)
    }
  }
}

/** The message in a row; undefined for one that cannot be read, which is worth no more than a lost event. */
export function readMessage(body: Cell): RawMessage | undefined {
  try {
    return decodeEnvelope(text(body)).raw
  } catch {
    return undefined
  }
}

function isFor(listener: Listener, row: Row, seq: number): boolean {
  if (row['topic'] !== listener.topic || seq <= listener.from) return false
  return listener.pattern === undefined || topicMatches(listener.pattern, text(row['key']))
}
