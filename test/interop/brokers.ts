import { describe } from 'vitest'
import { sharedRabbitmq } from '../helpers/rabbitmq.ts'
import { requireService, startRedis } from '../helpers/services.ts'

/** Where the messages of an interop suite go; results are in a private Redis in any case. */
export interface InteropBroker {
  readonly brokerUrl: string
  readonly backendUrl: string
  /** As `inspect stats` names it. */
  readonly transport: string
  readonly port: number
  stop(): Promise<void>
}

/** The suite once on each broker, or skipped where `TQ_SKIP` leaves out what it needs. */
export function describeOnBrokers(
  title: string,
  suite: (start: () => Promise<InteropBroker>, transport: 'redis' | 'amqp') => void,
): void {
  const hasPython = requireService('celery') && requireService('redis')
  describe.skipIf(!hasPython)(`${title} over Redis`, () => suite(onRedis, 'redis'))
  describe.skipIf(!hasPython || !requireService('rabbitmq'))(`${title} over RabbitMQ`, () => suite(onRabbitmq, 'amqp'))
}

async function onRedis(): Promise<InteropBroker> {
  const redis = await startRedis()
  const { url, port } = redis
  return { brokerUrl: url, backendUrl: url, transport: 'redis', port, stop: () => redis.stop() }
}

async function onRabbitmq(): Promise<InteropBroker> {
  const [redis, rabbitmq] = await Promise.all([startRedis(), sharedRabbitmq()])
  const vhost = rabbitmq.vhost()
  return {
    brokerUrl: vhost.url,
    backendUrl: redis.url,
    transport: 'amqp',
    port: rabbitmq.port,
    stop: async () => {
      vhost.drop()
      await redis.stop()
    },
  }
}
