import { type Channel, type ChannelModel, connect } from 'amqplib'
import { afterEach, beforeAll, beforeEach } from 'vitest'
import { systemClock } from '../../runtime/src/core/clock.ts'
import { type Logger, silentLogger } from '../../runtime/src/core/logger.ts'
import { AmqpConnection } from '../../runtime/src/drivers/amqp-connection.ts'
import { AmqpTransport, type AmqpTransportDeps } from '../../runtime/src/transports/amqp.ts'
import { directQueue, type Queue } from '../../runtime/src/transports/topology.ts'
import type { Delivery } from '../../runtime/src/transports/transport.ts'
import { waitFor } from '../helpers/clock.ts'
import { type RabbitmqNode, type RabbitmqVhost, sharedRabbitmq } from '../helpers/rabbitmq.ts'

const deps = { clock: systemClock, logger: silentLogger }

/** Clients of a vhost of its own for each test of the suite that calls this; closed after it. */
export function amqpClients() {
  let server: RabbitmqNode
  let vhost: RabbitmqVhost
  let connections: AmqpConnection[] = []
  let transports: AmqpTransport[] = []
  /** Looks at the broker as a client that knows nothing of tq. */
  let foreign: Channel
  let foreignModel: ChannelModel

  beforeAll(async () => {
    server = await sharedRabbitmq()
  })
  beforeEach(async () => {
    vhost = server.vhost()
    foreignModel = await connect(vhost.url)
    foreign = await foreignModel.createChannel()
    foreign.on('error', () => {})
  })
  afterEach(async () => {
    for (const transport of transports) await transport.close()
    for (const connection of connections) await connection.close()
    transports = []
    connections = []
    await foreignModel.close().catch(() => undefined) // a test may have cut it
    vhost.drop()
  })

  function connection(url = vhost.url, more: { readonly logger?: Logger } = {}): AmqpConnection {
    const made = new AmqpConnection(url, { ...deps, ...more })
    connections.push(made)
    return made
  }

  async function connected(
    queues: readonly Queue[] = [directQueue('q')],
    { over = connection(), ...options }: Partial<AmqpTransportDeps> & { readonly over?: AmqpConnection } = {},
  ): Promise<AmqpTransport> {
    const transport = new AmqpTransport(over, { ...deps, delayQueueType: 'classic', ...options })
    transports.push(transport)
    await transport.connect()
    await transport.declare({ queues })
    return transport
  }

  async function consumed(transport: AmqpTransport, queues = ['q'], prefetch = 0): Promise<Delivery[]> {
    const arrived: Delivery[] = []
    await transport.subscribe(queues, { prefetch }, (deliveries) => arrived.push(...deliveries))
    return arrived
  }

  async function first(arrived: readonly Delivery[], at = 0): Promise<Delivery> {
    await waitFor(() => arrived.length > at)
    const delivery = arrived[at]
    if (!delivery) throw new Error('nothing arrived')
    return delivery
  }

  return {
    get server() {
      return server
    },
    get vhost() {
      return vhost
    },
    get foreign() {
      return foreign
    },
    get foreignModel() {
      return foreignModel
    },
    closeLater: (transport: AmqpTransport) => void transports.push(transport),
    connection,
    connected,
    consumed,
    first,
  }
}
