import { describe, expect, test } from 'vitest'
import { quarantineQueue } from '../../runtime/src/wire/amqp-layout.ts'
import { numbered, toQueue } from '../helpers/messages.ts'
import { requireService } from '../helpers/services.ts'
import { amqpClients } from './amqp-clients.ts'

describe.skipIf(!requireService('rabbitmq'))('the quarantine of the RabbitMQ transport', () => {
  const on = amqpClients()
  const { connected, consumed, first } = on

  test('a look into the quarantine shows all of it, also what is still on its way', async () => {
    const many = 450 // a queue hands over 200 at a time
    const transport = await connected()
    await transport.publish(numbered(many).map((text) => toQueue('q', text)))
    const arrived = await consumed(transport)
    await first(arrived, many - 1)
    await Promise.all(arrived.map((delivery) => transport.quarantine.put(delivery, 'broken')))

    const looks: number[] = []
    for (let look = 0; look < 12; look++) looks.push((await transport.quarantine.list(many)).length)

    expect(new Set(looks)).toEqual(new Set([many]))
  })

  test('a quarantine that was deleted is made again instead of losing what comes into it', async () => {
    const transport = await connected()
    await transport.publish([toQueue('q', 'one'), toQueue('q', 'two')])
    const arrived = await consumed(transport)
    await transport.quarantine.put(await first(arrived), 'broken')
    await on.foreign.deleteQueue(quarantineQueue.name)

    await transport.quarantine.put(await first(arrived, 1), 'broken, too')

    expect(await transport.quarantine.list(9)).toMatchObject([{ reason: 'broken, too' }])
  })

  test('who looks into the quarantine while others take from it sees all that is left', async () => {
    const transport = await connected()
    await transport.publish(numbered(6).map((text) => toQueue('q', text)))
    const arrived = await consumed(transport)
    await first(arrived, 5)
    for (const delivery of arrived.slice(0, 6)) await transport.quarantine.put(delivery, 'broken')
    const others = await connected()

    for (const [taken, { id }] of (await transport.quarantine.list(9)).entries()) {
      const looks = numbered(6).map(() => others.quarantine.list(9))
      await transport.quarantine.restore(id)

      for (const seen of await Promise.all(looks))
        expect(6 - seen.length).toSatisfy((n) => n === taken || n === taken + 1)
    }
  })
})
