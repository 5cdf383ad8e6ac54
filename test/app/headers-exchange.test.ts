import { join } from 'node:path'
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { silentLogger, Tq, type TqOptions } from '../../runtime/src/index.ts'
import { temporaryFolder } from '../helpers/project.ts'
import { type RabbitmqNode, sharedRabbitmq } from '../helpers/rabbitmq.ts'
import { requireService } from '../helpers/services.ts'

const byKind = { exchange: 'docs', exchangeType: 'headers' } as const

/** Queues that differ in the headers they want. */
const taskQueues: TqOptions['taskQueues'] = [
  'celery',
  { name: 'pdf', ...byKind, bindingArguments: { 'x-match': 'all', format: 'pdf', urgent: true } },
  {
    name: 'text',
    ...byKind,
    bindingArguments: { 'x-match': 'any', format: 'md' },
    bindings: [{ ...byKind, routingKey: 'celery', bindingArguments: { 'x-match': 'any', format: 'txt' } }],
  },
]

function tq(options: TqOptions): Tq {
  const app = new Tq('docs', { logger: silentLogger, backend: 'disabled', taskQueues, ...options })
  onTestFinished(() => app.close())
  return app
}

describe.skipIf(!requireService('rabbitmq'))('a headers exchange', () => {
  let node: RabbitmqNode

  beforeAll(async () => {
    node = await sharedRabbitmq()
  })

  test('brings calls to the queues whose arguments their headers match', async () => {
    const vhost = node.vhost()
    onTestFinished(() => vhost.drop())
    const app = tq({ broker: vhost.url })
    const transport = await app.connections.transport()
    await transport.declare({ queues: ['pdf', 'text'].flatMap((name) => app.router.queues.topology(name).queues) })

    for (const headers of [{ format: 'pdf', urgent: true }, { format: 'pdf' }, { format: 'md' }, { format: 'txt' }]) {
      await app.sendTask('convert', [], {}, { queue: 'pdf', headers })
    }

    expect(await transport.queueInfo('pdf')).toMatchObject({ ready: 1 })
    expect(await transport.queueInfo('text')).toMatchObject({ ready: 2 })
  })
})

test.each(['memory', 'sqlite'])('is refused by name on %s', async (name) => {
  const broker = name === 'memory' ? 'memory://' : `sqlite://${join(temporaryFolder(), 'tq.db')}`
  const app = tq({ broker })

  await expect(app.sendTask('convert', [], {}, { queue: 'pdf' })).rejects.toThrow(
    /Exchange 'docs' is of the type headers, which only RabbitMQ has/,
  )
})
