import { afterAll, beforeAll, describe } from 'vitest'
import { RedisBackend } from '../../runtime/src/backends/redis.ts'
import { systemClock } from '../../runtime/src/core/clock.ts'
import { silentLogger } from '../../runtime/src/core/logger.ts'
import { RedisConnection } from '../../runtime/src/drivers/redis-connection.ts'
import { RedisTransport } from '../../runtime/src/transports/redis.ts'
import { describeResultBackend } from '../conformance/result-backend.ts'
import { waitFor } from '../helpers/clock.ts'
import { type RedisServer, requireService, startRedis } from '../helpers/services.ts'

describe.skipIf(!requireService('redis'))('over a private server', () => {
  let server: RedisServer
  beforeAll(async () => {
    server = await startRedis()
  })
  afterAll(() => server.stop())

  describeResultBackend('redis', async () => {
    const deps = { clock: systemClock, logger: silentLogger }
    const connections: RedisConnection[] = []
    const connection = (): RedisConnection => {
      const made = new RedisConnection(server.url, deps)
      connections.push(made)
      return made
    }
    await connection().call('FLUSHALL')
    return {
      open: async () => new RedisBackend(connection(), deps),
      waitFor,
      transport: async () => new RedisTransport(connection(), deps),
      cleanup: async () => {
        for (const each of connections) await each.close()
      },
    }
  })
})
