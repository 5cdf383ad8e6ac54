import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Clock, systemClock } from '../../runtime/src/core/clock.ts'
import { silentLogger } from '../../runtime/src/core/logger.ts'
import { VirtualClock } from '../../runtime/src/core/virtual-clock.ts'
import { inspectFile } from '../../runtime/src/drivers/sqlite-care.ts'
import { SqliteTransport } from '../../runtime/src/transports/sqlite.ts'
import type { Delivery } from '../../runtime/src/transports/transport.ts'
import { copyOf, SqliteFixture } from '../drivers/sqlite-fixture.ts'
import { waitFor } from '../helpers/clock.ts'
import { numbered, success, texts, toQueue } from '../helpers/messages.ts'

let fixture: SqliteFixture

beforeEach(() => {
  fixture = new SqliteFixture()
})

afterEach(() => fixture.cleanup())

describe('a wall clock that jumps', () => {
  function jumping(): { readonly clock: Clock; jump(ms: number): void } {
    let offMs = 0
    return {
      clock: { ...systemClock, now: () => systemClock.now() + offMs },
      jump: (ms) => {
        offMs += ms
      },
    }
  }

  test.each([
    ['forward by a day', 86_400_000],
    ['back by a day', -86_400_000],
  ])('%s takes nothing from a living process', async (_, ms) => {
    const { clock, jump } = jumping()
    const [holder, other] = [await fixture.transport(), await fixture.store({ clock })]
    await holder.publish([toQueue('q', 'held')])
    const taken: Delivery[] = []
    await holder.subscribe(['q'], { prefetch: 0 }, (deliveries) => taken.push(...deliveries))
    await waitFor(() => taken.length === 1)

    jump(ms)
    const thief = await fixture.transport(other)
    await thief.announce({ name: 'thief@test', kind: 'worker', queues: ['q'] }) // looks for the dead
    const late = await thief.queueInfo('q')

    expect(late).toMatchObject({ ready: 0, held: 1 })
    expect(await taken[0]?.ack()).toBe('ok')
    await holder.close()
  })

  test('forward makes what is due by it run', async () => {
    const { clock, jump } = jumping()
    const transport = await fixture.transport(await fixture.store({ clock }))
    const taken: Delivery[] = []
    await transport.publish([toQueue('q', 'in an hour', { dueMs: clock.now() + 3_600_000 })])
    await transport.subscribe(['q'], { prefetch: 0 }, (deliveries) => taken.push(...deliveries))

    jump(3_600_000)
    await transport.publish([toQueue('q', 'now')]) // whatever wakes it: its timer counts what passes, not what the clock shows

    await waitFor(() => taken.length === 2)
    expect(texts(taken).sort()).toEqual(['in an hour', 'now'])
    await transport.close()
  })

  test('back keeps results that have not expired by either time', async () => {
    const { clock, jump } = jumping()
    const backend = await fixture.backend(await fixture.store({ clock }))
    await backend.store([success('kept')], { ttlMs: 60_000 })

    jump(-3_600_000)

    expect((await backend.fetch(['kept']))[0]?.state).toBe('SUCCESS')
  })
})

describe('upkeep', () => {
  /** A store that looks at its file as one does that waits for messages. */
  async function waiting(options: { readonly syncMs?: number; readonly sync?: 'full' } = {}): Promise<{
    readonly clock: VirtualClock
    readonly transport: SqliteTransport
  }> {
    const clock = new VirtualClock(systemClock.now())
    const store = await fixture.store({ clock, ...options })
    const transport = new SqliteTransport(store, { clock, logger: silentLogger })
    await transport.connect()
    await transport.subscribe(['other'], { prefetch: 1 }, () => {})
    return { clock, transport }
  }

  /** What is in the file itself, its log left out. */
  function checkpointed(): number {
    const copy = join(fixture.folder, 'copy.db')
    copyOf(fixture.path, copy)
    const { counts } = inspectFile(copy)
    for (const end of ['', '-wal', '-shm']) rmSync(copy + end, { force: true })
    return counts.ready
  }

  test('a burst is moved from the log into the file once nothing happens any more, a few messages are not', async () => {
    const { clock, transport } = await waiting()
    for (const text of numbered(120)) await transport.publish([toQueue('q', text)])
    const atOnce = checkpointed()

    await clock.advance(600)
    const afterBurst = checkpointed()
    await transport.publish([toQueue('q', 'one more')])
    await clock.advance(600)

    expect({ atOnce, afterBurst, afterOne: checkpointed() }).toEqual({ atOnce: 0, afterBurst: 120, afterOne: 120 })
    await transport.close()
  })

  test('a commit is followed by one sync of the log within a second, however many there are', async () => {
    const { clock, transport } = await waiting()
    await clock.advance(1000) // the one of its own row among the peers
    const idle = clock.pending

    for (const text of numbered(5)) await transport.publish([toQueue('q', text)])
    const armed = clock.pending
    await clock.advance(1000)

    expect(armed).toBe(idle + 1)
    expect(clock.pending).toBe(idle)
    await transport.close()
  })

  test.each([{ syncMs: 0 }, { sync: 'full' } as const])(
    'with %j nothing is synced beside the commits',
    async (options) => {
      const { clock, transport } = await waiting(options)
      const idle = clock.pending

      await transport.publish([toQueue('q', 'one')])

      expect(clock.pending).toBe(idle)
      await transport.close()
    },
  )
})
