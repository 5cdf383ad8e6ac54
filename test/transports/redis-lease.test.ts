import { expect, onTestFinished, test } from 'vitest'
import { systemClock } from '../../runtime/src/core/clock.ts'
import { silentLogger } from '../../runtime/src/core/logger.ts'
import { RedisConnection } from '../../runtime/src/drivers/redis-connection.ts'
import { RedisTransport } from '../../runtime/src/transports/redis.ts'
import { rescoreScript } from '../../runtime/src/transports/redis-scripts.ts'
import type { Delivery } from '../../runtime/src/transports/transport.ts'
import { toQueue } from '../helpers/messages.ts'
import { startProxy } from '../helpers/proxy.ts'
import { requireService, startRedis } from '../helpers/services.ts'
import { waitFor } from '../helpers/wait.ts'

const deps = { clock: systemClock, logger: silentLogger }

test.skipIf(!requireService('redis'))(
  'a lease stays ours though its refresh got lost on its way several times',
  async () => {
    const server = await startRedis()
    const proxy = await startProxy(server.port)
    const connection = new RedisConnection(`redis://127.0.0.1:${proxy.port}/0`, deps)
    const transport = new RedisTransport(connection, deps)
    onTestFinished(async () => {
      await transport.close()
      await connection.close()
    })
    await transport.connect()
    const arrived: Delivery[] = []
    await transport.subscribe(['q'], { prefetch: 0 }, (deliveries) => arrived.push(...deliveries))
    await transport.publish([toQueue('q', 'one')])
    await waitFor(() => arrived.length === 1, { what: 'the message' })

    proxy.swallowFrom(rescoreScript.sha)
    for (let lost = 1; lost <= 3; lost++) {
      proxy.cut()
      await waitFor(() => proxy.swallowed === lost, { what: `refresh ${lost} to get lost` })
    }
    proxy.heal()
    proxy.cut()

    await waitFor(() => connection.state === 'ready', { what: 'the connection' })
    expect(await arrived[0]?.ack()).toBe('ok')
    expect(arrived.length).toBe(1)
  },
)
