import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { temporaryFolder } from '../helpers/project.ts'
import { requireService, startRedis } from '../helpers/services.ts'
import { killAtPlaces } from './killed-chords.ts'

// Servers and workers start in their own time.
vi.setConfig({ testTimeout: 300_000 })

// Once at each place, where nothing but the sweep can help; test/soak/canvas.soak.ts does it fifty times, and with late acknowledgement.
const plan = { acksLate: false, kills: 1 }

describe('workers killed while the last part of a chord ends leave its body one result', () => {
  test('on SQLite', async () => {
    const url = `sqlite://${join(temporaryFolder(), 'tq.db')}`

    const { kills } = await killAtPlaces({ brokerUrl: url, resultBackend: url, ...plan })

    expect(kills).toEqual({ stored: 1, counted: 1, sent: 1 })
  })

  test.skipIf(!requireService('redis'))('on Redis', async () => {
    const { url } = await startRedis()

    const { kills } = await killAtPlaces({ brokerUrl: url, resultBackend: url, ...plan })

    expect(kills).toEqual({ stored: 1, counted: 1, sent: 1 })
  })
})
