// Claims, stores and acknowledges until it is killed. Arguments: URL, prefetch.
import { RedisBackend } from '../../runtime/src/backends/redis.ts'
import { systemClock } from '../../runtime/src/core/clock.ts'
import { silentLogger } from '../../runtime/src/core/logger.ts'
import { RedisConnection } from '../../runtime/src/drivers/redis-connection.ts'
import { RedisTransport } from '../../runtime/src/transports/redis.ts'
import { success, textOf } from '../helpers/messages.ts'

const [, , url = '', prefetch = '40'] = process.argv
const deps = { clock: systemClock, logger: silentLogger }
const connection = new RedisConnection(url, deps)
const transport = new RedisTransport(connection, deps)
const backend = new RedisBackend(connection, deps)
await transport.connect()
let settled = 0
await transport.subscribe(['q'], { prefetch: Number(prefetch) }, (deliveries) => {
  for (const delivery of deliveries) {
    delivery.ack({ storing: backend.plan(success(textOf(delivery)), { ttlMs: 0 }) }).then(
      () => {
        settled++
        if (settled === 50) process.stdout.write('busy\n')
      },
      () => process.exit(1),
    )
  }
})
