import type { KeyStore } from '../transports/key-store.ts'
import { text } from './sqlite-connection.ts'
import type { SqliteStore } from './sqlite-store.ts'

/** Keys in the table of locks, beside the leases. A turn's time stands there in µs, as its owner: those of a fast limit are less than one ms apart. */
export class SqliteKeys implements KeyStore {
  readonly #store: SqliteStore

  constructor(store: SqliteStore) {
    this.#store = store
  }

  claim(key: string, holder: string, ttlMs: number): Promise<string> {
    return this.#store.submit((tx) => {
      const now = this.#store.clock.now()
      tx.run('delete from lock where until<=?1 and name=?2', now, nameOf(key))
      const taken = tx.run(
        `insert into lock(name, owner, until) values(?1, ?2, ?3)
           on conflict(name) do update set until=?3 where owner=?2`,
        nameOf(key),
        holder,
        Math.ceil(now + ttlMs),
      )
      if (taken > 0) return holder
      return text(tx.get('select owner from lock where name=?', nameOf(key))?.['owner'])
    })
  }

  release(key: string, holder: string): Promise<boolean> {
    return this.#store.submit((tx) => {
      const now = this.#store.clock.now()
      return tx.run('delete from lock where name=? and owner=? and until>?', nameOf(key), holder, now) > 0
    })
  }

  takeTurn(key: string, intervalMs: number): Promise<number> {
    return this.#store.submit((tx) => {
      const nowUs = Math.floor(this.#store.clock.now() * 1000)
      const row = tx.get('select owner from lock where name=?', nameOf(key))
      const nextUs = row === undefined ? 0 : Number(text(row['owner']))
      if (nextUs > nowUs) return (nextUs - nowUs) / 1000
      const next = nowUs + Math.ceil(intervalMs * 1000)
      tx.run(
        `insert into lock(name, owner, until) values(?1, ?2, ?3) on conflict(name) do update set owner=?2, until=?3`,
        nameOf(key),
        String(next),
        Math.ceil(next / 1000),
      )
      return 0
    })
  }
}

// A lease of any name stands in the same table.
function nameOf(key: string): string {
  return `key:${key}`
}
