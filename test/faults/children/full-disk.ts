// Fills the disk that the given database is on, then makes room again, and says what happened as JSON.
import { readdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { systemClock as clock } from '../../../runtime/src/core/clock.ts'
import { StoreError } from '../../../runtime/src/core/errors.ts'
import { silentLogger as logger } from '../../../runtime/src/core/logger.ts'
import { inspectFile } from '../../../runtime/src/drivers/sqlite-care.ts'
import { openSqliteStore } from '../../../runtime/src/drivers/sqlite-store.ts'
import { SqliteTransport } from '../../../runtime/src/transports/sqlite.ts'
import { toQueue } from '../../helpers/messages.ts'

const [path = ''] = process.argv.slice(2)
const ballast = join(dirname(path), 'ballast')
writeFileSync(ballast, Buffer.alloc(1_000_000))
const store = await openSqliteStore(path, { clock, logger })
const transport = new SqliteTransport(store, { clock, logger })
await transport.connect()

const body = new Uint8Array(20_000).fill(120)
let sent = 0
let fault: unknown
while (fault === undefined) {
  await transport.publish([toQueue('q', `m${sent}`, { body })]).then(
    () => sent++,
    (error: unknown) => (fault = error),
  )
}
rmSync(ballast)
await transport.publish([toQueue('q', 'after')])
sent++
const { ready } = await transport.queueInfo('q')
const [first] = await transport.peek('q', { limit: 1, state: 'ready' })
await transport.close()
await store.close()

const facts = {
  ...(fault instanceof StoreError ? { reason: fault.reason, message: fault.message } : { error: fault }),
  missing: sent - ready,
  after: first === undefined ? 'nothing' : 'ok',
  problems: inspectFile(path).problems,
}
process.stdout.write(JSON.stringify(facts))
for (const name of readdirSync(dirname(path))) rmSync(join(dirname(path), name))
