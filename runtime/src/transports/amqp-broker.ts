import type { Clock } from '../core/clock.ts'
import type { Logger } from '../core/logger.ts'
import type { AmqpConnection } from '../drivers/amqp-connection.ts'
import type { AmqpSender } from './amqp-sender.ts'
import type { AmqpTopology } from './amqp-topology.ts'

/** What the parts of one RabbitMQ transport share. */
export interface AmqpBroker {
  readonly connection: AmqpConnection
  readonly clock: Clock
  readonly logger: Logger
  readonly topology: AmqpTopology
  readonly sender: AmqpSender
}
