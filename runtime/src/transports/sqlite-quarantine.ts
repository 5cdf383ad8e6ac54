import { ChannelError } from '../core/errors.ts'
import type { RawMessage } from '../core/message.ts'
import { type Cell, integer, text } from '../drivers/sqlite-connection.ts'
import type { SqliteStore } from '../drivers/sqlite-store.ts'
import { SqliteDelivery } from './sqlite-delivery.ts'
import { readMessage } from './sqlite-fanout.ts'
import { unbury } from './sqlite-messages.ts'
import type { QueueDirectory } from './sqlite-topology.ts'
import type { Quarantine } from './transport.ts'

/** Messages set aside in the table `dead`. `open` throws when the transport is not connected. */
export function sqliteQuarantine(store: SqliteStore, directory: QueueDirectory, open: () => void): Quarantine {
  return {
    async put(delivery, reason) {
      open()
      if (!(delivery instanceof SqliteDelivery)) {
        throw new ChannelError('A delivery of another transport cannot be put into the quarantine of this one.')
      }
      await delivery.bury(reason)
    },

    async list(limit) {
      open()
      return store.read((reader) =>
        reader.all('select id, queue, reason, at, body from dead order by id desc limit +?', limit).map((row) => ({
          id: String(integer(row['id'])),
          queue: directory.nameOf(reader, integer(row['queue'])),
          reason: text(row['reason']),
          atMs: integer(row['at']),
          raw: readMessage(row['body']) ?? unreadable(row['body']),
        })),
      )
    },

    async restore(id) {
      open()
      const isThere = await store.submit((tx) => unbury(tx, Number(id), store.clock.now()))
      if (isThere) return
      throw new ChannelError(`No message '${id}' is in quarantine. List the quarantine to see what is.`)
    },

    async drop(id) {
      open()
      await store.submit((tx) => tx.run('delete from dead where id=?', Number(id)))
    },
  }
}

/** What is no envelope is shown as the bytes that it is. */
function unreadable(body: Cell): RawMessage {
  return {
    body: Buffer.from(text(body)),
    contentType: 'application/octet-stream',
    contentEncoding: 'binary',
    headers: {},
    properties: {},
  }
}
