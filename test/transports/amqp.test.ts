import { beforeAll, describe } from 'vitest'
import { systemClock } from '../../runtime/src/core/clock.ts'
import { silentLogger } from '../../runtime/src/core/logger.ts'
import { AmqpConnection } from '../../runtime/src/drivers/amqp-connection.ts'
import { AmqpTransport } from '../../runtime/src/transports/amqp.ts'
import { describeTransport } from '../conformance/transport.ts'
import type { TransportFixture } from '../conformance/transport/suite.ts'
import { waitFor } from '../helpers/clock.ts'
import { type RabbitmqNode, sharedRabbitmq } from '../helpers/rabbitmq.ts'
import { requireService } from '../helpers/services.ts'

const deps = { clock: systemClock, logger: silentLogger }

describe.skipIf(!requireService('rabbitmq'))('over a private node', () => {
  let server: RabbitmqNode
  beforeAll(async () => {
    server = await sharedRabbitmq()
  })

  const fixture = async (): Promise<TransportFixture> => {
    const vhost = server.vhost()
    const connections: AmqpConnection[] = []
    return {
      open: async () => {
        const connection = new AmqpConnection(vhost.url, deps)
        connections.push(connection)
        return new AmqpTransport(connection, { ...deps, delayQueueType: 'classic' })
      },
      waitFor,
      cleanup: async () => {
        for (const connection of connections) await connection.close()
        vhost.drop()
      },
    }
  }
  describeTransport('rabbitmq', fixture, { priority: false, plans: false })
})
