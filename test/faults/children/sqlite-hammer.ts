// A process that works a database hard until it is killed: node sqlite-hammer.ts produce|consume|churn <path>.
import { SqliteBackend } from '../../../runtime/src/backends/sqlite.ts'
import { systemClock as clock } from '../../../runtime/src/core/clock.ts'
import { silentLogger as logger } from '../../../runtime/src/core/logger.ts'
import { openSqliteStore } from '../../../runtime/src/drivers/sqlite-store.ts'
import { SqliteTransport } from '../../../runtime/src/transports/sqlite.ts'
import { success, textOf, toQueue } from '../../helpers/messages.ts'

const [what = '', path = ''] = process.argv.slice(2)

async function open(): Promise<{ readonly transport: SqliteTransport; readonly backend: SqliteBackend }> {
  const store = await openSqliteStore(path, { clock, logger })
  const transport = new SqliteTransport(store, { clock, logger })
  await transport.connect()
  return { transport, backend: new SqliteBackend(store, { clock, logger }) }
}

const commands: Readonly<Record<string, () => Promise<void>>> = {
  /** Says the id of each message that the broker has taken, until standard input ends. */
  async produce() {
    const { transport } = await open()
    let ended = false
    process.stdin.resume().once('end', () => (ended = true))
    for (let n = 0; !ended; n++) {
      const id = `${process.pid}-${n}`
      await transport.publish([toQueue('q', id)])
      process.stdout.write(`sent ${id}\n`)
    }
    await transport.close()
    process.exit()
  },

  /** Stores a result for each message and acknowledges it in the same step. */
  async consume() {
    const { transport, backend } = await open()
    await transport.subscribe(['q'], { prefetch: 20 }, (deliveries) => {
      for (const delivery of deliveries) {
        const storing = backend.plan(success(textOf(delivery)), { ttlMs: 0 })
        void delivery.ack(storing && { storing })
      }
    })
    process.stdout.write('consuming\n')
  },

  /** Opens, writes and closes, a hundred times: the first and the last to have it open all the while. */
  async churn() {
    for (let n = 0; n < 100; n++) {
      const store = await openSqliteStore(path, { clock, logger })
      const transport = new SqliteTransport(store, { clock, logger })
      await transport.connect()
      await transport.publish([toQueue('q', `${process.pid}-${n}`)])
      await transport.close()
      await store.close()
    }
    process.stdout.write('done\n')
  },
}

await commands[what]?.()
