// A process that uses a database as a test wants it: node sqlite-child.ts <what> <path>. Writes a line when it is ready.
import { DatabaseSync } from 'node:sqlite'
import { SqliteBackend } from '../../../runtime/src/backends/sqlite.ts'
import { systemClock as clock } from '../../../runtime/src/core/clock.ts'
import { StoreError } from '../../../runtime/src/core/errors.ts'
import { silentLogger as logger } from '../../../runtime/src/core/logger.ts'
import { openSqliteStore } from '../../../runtime/src/drivers/sqlite-store.ts'
import { SqliteTransport } from '../../../runtime/src/transports/sqlite.ts'

const [what = '', path = ''] = process.argv.slice(2)

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}

async function connected(): Promise<SqliteTransport> {
  const store = await openSqliteStore(path, { clock, logger })
  const transport = new SqliteTransport(store, { clock, logger })
  await transport.connect()
  return transport
}

const commands: Readonly<Record<string, () => Promise<void>>> = {
  /** Opens and writes, then says `ok` or the fault. */
  async open() {
    try {
      const transport = await connected()
      await transport.declare({ queues: [{ name: 'q', exchange: { name: 'q', type: 'direct' }, routingKey: 'q' }] })
      say('ok')
    } catch (error) {
      say(error instanceof StoreError ? error.reason : String(error))
    }
  },

  /** The same as a user who may not write: root may write everywhere. */
  async openUnprivileged() {
    process.setgid?.(65534)
    process.setuid?.(65534)
    await commands['open']?.()
  },

  /** Takes everything in queue `q`, settles nothing and never ends by itself. */
  async hold() {
    const transport = await connected()
    await transport.announce({ name: 'holder@test', kind: 'worker', queues: ['q'] })
    await transport.subscribe(['q'], { prefetch: 0 }, (deliveries) => say(`held ${deliveries.length}`))
  },

  /** Holds the write lock until a line comes in. */
  async lock() {
    await (await connected()).announce({ name: 'locker@test', kind: 'client', queues: [] })
    const db = new DatabaseSync(path)
    db.exec('begin immediate')
    say('locked')
    await new Promise((resolve) => process.stdin.once('data', resolve))
    db.exec('rollback')
    process.exit()
  },

  /** Connected, with everything used once and nothing open any more: must end by itself. */
  async idle() {
    const store = await openSqliteStore(path, { clock, logger })
    const transport = new SqliteTransport(store, { clock, logger })
    await transport.connect()
    const backend = new SqliteBackend(store, { clock, logger })
    await transport.publish([
      {
        exchange: '',
        routingKey: 'idle',
        message: { body: new Uint8Array(), contentType: 'a/b', contentEncoding: 'binary', headers: {}, properties: {} },
      },
    ])
    await (await transport.listen('events', {}, () => {})).close()
    await (await transport.subscribe(['idle'], { prefetch: 1 }, () => {})).close()
    await backend.store([{ id: 'done', state: 'SUCCESS', result: 1 }], { ttlMs: 0 })
    for await (const meta of backend.watch(['done'], new AbortController().signal)) say(meta.state)
  },
}

await commands[what]?.()
