import { describe, expect, test } from 'vitest'
import { ChannelError } from '../../../runtime/src/core/errors.ts'
import type { Delivery } from '../../../runtime/src/transports/transport.ts'
import { failure, numbered, success, textOf, toQueue } from '../../helpers/messages.ts'
import { hourMs, type TransportSuite } from './suite.ts'

/** The part of the suite about acknowledging with a result. */
export function describePlans(suite: TransportSuite): void {
  const { connected, unconnected, connectedBackend, consumed, withPlans, plans } = suite

  describe('acknowledging with a result', () => {
    if (!plans) {
      test('no plan is carried out', async () => {
        expect((await unconnected()).driver).toBeUndefined()
      })
    }

    withPlans('the result is stored and the message is gone', async () => {
      const backend = await connectedBackend()
      const transport = await connected()
      await transport.publish([toQueue('q', 'one')])
      const delivery = await (await consumed(transport)).next()
      const storing = backend.plan(success('one', { größe: [1, 2] }), { ttlMs: hourMs })

      expect(storing).toBeDefined()
      expect(await delivery.ack({ storing })).toBe('ok')

      expect((await backend.fetch(['one']))[0]).toMatchObject(success('one', { größe: [1, 2] }))
      expect(await transport.queueInfo('q')).toMatchObject({ ready: 0, held: 0 })
    })

    withPlans('the transport says whose plans it carries out', async () => {
      const backend = await connectedBackend()
      const transport = await connected()

      expect(transport.driver).toBeDefined()

      expect(transport.driver).toBe(backend.plan(success('one'), { ttlMs: hourMs })?.driver)
    })

    withPlans('a plan of another driver is refused, and the message can still be settled', async () => {
      const backend = await connectedBackend()
      const transport = await connected()
      await transport.publish([toQueue('q', 'one')])
      const delivery = await (await consumed(transport)).next()
      const plan = backend.plan(success('one'), { ttlMs: hourMs })
      const storing = plan && { ...plan, driver: 'another:1' }

      await expect(delivery.ack({ storing })).rejects.toBeInstanceOf(ChannelError)

      expect((await transport.queueInfo('q')).held).toBe(1)
      expect(await backend.fetch(['one'])).toEqual([undefined])
      expect(await delivery.ack()).toBe('ok')
    })

    withPlans('each result of many acknowledgements at once is stored', async () => {
      const backend = await connectedBackend()
      const transport = await connected()
      await transport.publish(numbered(50).map((text) => toQueue('q', text)))
      const taken = await (await consumed(transport)).take(50)

      const storing = (delivery: Delivery) => backend.plan(success(textOf(delivery), textOf(delivery)), { ttlMs: 0 })
      const answers = await Promise.all(taken.map((delivery) => delivery.ack({ storing: storing(delivery) })))

      expect(answers.every((answer) => answer === 'ok')).toBe(true)
      const metas = await backend.fetch(numbered(50))
      expect(metas.map((meta) => meta?.result)).toEqual(numbered(50))
    })

    withPlans('a watcher of another connection sees it', async () => {
      const backend = await connectedBackend()
      const watching = await connectedBackend()
      const transport = await connected()
      await transport.publish([toQueue('q', 'one')])
      const delivery = await (await consumed(transport)).next()
      const seen: unknown[] = []
      const watched = (async () => {
        for await (const meta of watching.watch(['one'], new AbortController().signal)) seen.push(meta.state)
      })()

      await backend.store([{ id: 'one', state: 'STARTED' }], { ttlMs: hourMs })
      await suite.fixture.waitFor(() => seen.length > 0)
      await delivery.ack({ storing: backend.plan(success('one'), { ttlMs: hourMs }) })

      await suite.fixture.waitFor(() => seen.length > 1)
      await watched
      expect(seen).toEqual(['STARTED', 'SUCCESS'])
    })

    withPlans('a stored SUCCESS is not overwritten, and the message is gone all the same', async () => {
      const backend = await connectedBackend()
      const transport = await connected()
      await backend.store([success('one')], { ttlMs: hourMs })
      await transport.publish([toQueue('q', 'one')])
      const delivery = await (await consumed(transport)).next()

      expect(await delivery.ack({ storing: backend.plan(failure('one'), { ttlMs: hourMs }) })).toBe('ok')

      expect((await backend.fetch(['one']))[0]).toMatchObject({ state: 'SUCCESS' })
      expect(await transport.queueInfo('q')).toMatchObject({ ready: 0, held: 0 })
    })

    withPlans('a delivery that was lost stores nothing', async () => {
      const backend = await connectedBackend()
      const transport = await connected()
      await transport.publish([toQueue('q', 'one')])
      const inbox = await consumed(transport)
      const delivery = await inbox.next()
      await inbox.subscription.close()

      expect(await delivery.ack({ storing: backend.plan(success('one'), { ttlMs: hourMs }) })).toBe('lost')

      expect(await backend.fetch(['one'])).toEqual([undefined])
    })
  })
}
