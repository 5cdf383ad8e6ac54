import { afterEach, beforeEach, describe, test } from 'vitest'
import type { ResultBackend } from '../../runtime/src/backends/result-backend.ts'
import { systemClock } from '../../runtime/src/core/clock.ts'
import { directQueue, type Queue } from '../../runtime/src/transports/topology.ts'
import type { Transport } from '../../runtime/src/transports/transport.ts'
import { describePublishing } from './transport/publishing.ts'
import { describeSettling } from './transport/settling.ts'
import { describeQueues } from './transport/queues.ts'
import { describeSubscriptions } from './transport/subscriptions.ts'
import { describeExchanges } from './transport/exchanges.ts'
import { describeMessages } from './transport/messages.ts'
import { describePlans } from './transport/plans.ts'
import { type Behaviour, Inbox, type TransportFixture, type TransportSuite } from './transport/suite.ts'

interface Expected {
  readonly nativeEta?: boolean
  readonly priority?: boolean
  readonly plans?: boolean
}

/**
 * What every transport does. Queue `q` is declared by the client that `connected()` gives. `nativeEta` is the feature of that
 * name: whether the broker itself holds a message until it is due. `priority` is the feature, too; `plans` tells whether a
 * result backend of the same driver exists. What a transport cannot do has no test of it, but that it says so.
 */
export function describeTransport(
  name: string,
  factory: () => Promise<TransportFixture>,
  { nativeEta = true, priority = true, plans = true }: Expected = {},
): void {
  const withPriorities: Behaviour = (title, run) => {
    if (priority) test(title, run)
  }
  const withPlans: Behaviour = (title, run) => {
    if (plans) test(title, run)
  }

  describe(`${name} transport`, () => {
    let fixture: TransportFixture
    let opened: { close(): Promise<void> }[] = []

    beforeEach(async () => {
      fixture = await factory()
    })

    afterEach(async () => {
      try {
        for (const client of opened) await client.close()
      } finally {
        opened = []
        await fixture.cleanup()
      }
    })

    async function unconnected(): Promise<Transport> {
      const transport = await fixture.open()
      opened.push(transport)
      return transport
    }

    async function connected(queues: readonly Queue[] = [directQueue('q')]): Promise<Transport> {
      const transport = await unconnected()
      await transport.connect()
      await transport.declare({ queues })
      return transport
    }

    async function connectedBackend(): Promise<ResultBackend> {
      if (!fixture.plan) throw new Error('The fixture has no result backend: say `plans: false`.')
      const backend = await fixture.plan()
      opened.push(backend)
      await backend.connect()
      return backend
    }

    async function consumed(transport: Transport, queues: readonly string[] = ['q'], prefetch = 0): Promise<Inbox> {
      const inbox = new Inbox((condition) => fixture.waitFor(condition), nowMs)
      await inbox.consume(transport, queues, prefetch)
      return inbox
    }

    const nowMs = (): number => (fixture.clock ?? systemClock).now()

    const suite: TransportSuite = {
      get fixture() {
        return fixture
      },
      nativeEta,
      priority,
      plans,
      withPriorities,
      withPlans,
      unconnected,
      connected,
      connectedBackend,
      consumed,
      nowMs,
    }

    describePublishing(suite)
    describeSettling(suite)
    describeQueues(suite)
    describeSubscriptions(suite)
    describeExchanges(suite)
    describeMessages(suite)
    describePlans(suite)
  })
}
