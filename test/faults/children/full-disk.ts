// Writes messages into the given database until the disk takes no more, says `full`, reads a line, and says what happened as JSON.
// node full-disk.ts <path> [<file that is deleted to make room>]
import { once } from 'node:events'
import { readdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { systemClock as clock } from '../../../runtime/src/core/clock.ts'
import { StoreError } from '../../../runtime/src/core/errors.ts'
import { silentLogger as logger } from '../../../runtime/src/core/logger.ts'
import { inspectFile } from '../../../runtime/src/drivers/sqlite-care.ts'
import { openSqliteStore } from '../../../runtime/src/drivers/sqlite-store.ts'
import { SqliteTransport } from '../../../runtime/src/transports/sqlite.ts'
import { toQueue } from '../../helpers/messages.ts'

const [path = '', ballast] = process.argv.slice(2)
if (ballast !== undefined) writeFileSync(ballast, Buffer.alloc(1_000_000))
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
process.stdout.write('full\n')
await once(process.stdin, 'data')
if (ballast !== undefined) rmSync(ballast)
await transport.publish([toQueue('q', 'after')])
sent++
const { ready } = await transport.queueInfo('q')
const [first] = await transport.peek('q', { limit: 1, state: 'ready' })
await transport.close()
await store.close()

const facts = {
  reason: fault instanceof StoreError ? fault.reason : 'failed',
  message: fault instanceof Error ? fault.message : 'no error',
  missing: sent - ready,
  after: first === undefined ? 'nothing' : 'ok',
  problems: inspectFile(path).problems,
}
process.stdout.write(JSON.stringify(facts))
if (ballast !== undefined) for (const name of readdirSync(dirname(path))) rmSync(join(dirname(path), name))
process.exit()
