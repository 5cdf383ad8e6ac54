import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { killWhileRunning } from '../canvas/killed-canvases.ts'
import { killAtPlaces } from '../canvas/killed-chords.ts'
import { temporaryFolder } from '../helpers/project.ts'
import { sharedRabbitmq } from '../helpers/rabbitmq.ts'
import { requireService, startRedis } from '../helpers/services.ts'

interface Urls {
  readonly brokerUrl: string
  readonly resultBackend: string
}

const hasRedis = requireService('redis')

const servers: readonly [string, boolean, () => Promise<Urls>][] = [
  ['SQLite', true, async () => both(`sqlite://${join(temporaryFolder(), 'tq.db')}`)],
  ['Redis', hasRedis, async () => both((await startRedis()).url)],
  [
    'RabbitMQ with results in Redis',
    hasRedis && requireService('rabbitmq'),
    async () => {
      const [node, redis] = await Promise.all([sharedRabbitmq(), startRedis()])
      const vhost = node.vhost()
      onTestFinished(() => vhost.drop())
      return { brokerUrl: vhost.url, resultBackend: redis.url }
    },
  ],
]

const both = (url: string): Urls => ({ brokerUrl: url, resultBackend: url })

for (const [name, isThere, start] of servers) {
  // TQ_SKIP names one of its servers.
  describe.skipIf(!isThere)(`on ${name}`, () => {
    test.each([
      ['early', false],
      ['late', true],
    ])('fifty workers killed at each place leave every body its one result, acknowledged %s', async (_, acksLate) => {
      const kills = 50

      const report = await killAtPlaces({ ...(await start()), acksLate, kills })

      expect(report.kills).toEqual({ stored: kills, counted: kills, sent: kills })
    })

    test('random canvases agree with the oracle while workers are killed', async () => {
      const kills = 60

      expect(await killWhileRunning({ ...(await start()), kills })).toBe(kills)
    })
  })
}
