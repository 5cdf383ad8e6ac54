import { describe, expect, test } from 'vitest'
import { Cluster } from '../../extension/src/cluster.ts'
import type { SidecarState } from '../../extension/src/sidecar-client.ts'
import type { LiveWorker, Target } from '../../extension/src/sidecar/protocol.ts'
import { type Status, statusOf } from '../../extension/src/status.ts'
import { liveWorker, messages, target } from './models.ts'

const redis: Target = { ...target, embedded: false, broker: 'redis://user:***@box/0' }

interface Given {
  readonly targets?: readonly Target[] | undefined
  readonly workers?: readonly LiveWorker[] | undefined
  readonly state?: SidecarState | undefined
  readonly trusted?: boolean | undefined
  readonly scanOnly?: boolean | undefined
}

function status({ targets = [], workers = [], state = 'ready', trusted = true, scanOnly = false }: Given) {
  const cluster = new Cluster()
  cluster.setTargets(targets)
  for (const { id } of targets) cluster.setLive({ target: id, workers, queues: [] })
  return statusOf({ state, scanOnly, trusted, cluster, messages })
}

describe('the status bar', () => {
  test.each<[string, Given, Partial<Status>]>([
    ['the embedded broker', { targets: [target] }, { text: 'tq: embedded', isTrouble: false }],
    [
      'a broker with its password masked',
      { targets: [redis], workers: [liveWorker('w')] },
      { text: 'tq: redis://user:***@box/0' },
    ],
    [
      'that no worker is there, on a broker where none comes by itself',
      { targets: [redis], workers: [liveWorker('w', { state: 'stale' })] },
      { text: 'tq: redis://user:***@box/0 · no worker', isTrouble: false },
    ],
    [
      'a lost broker as trouble',
      { targets: [{ ...redis, state: 'lost', reason: 'connection refused' }] },
      { text: 'tq: broker lost', isTrouble: true, lines: ['shop: redis://user:***@box/0 · connection refused'] },
    ],
    ['the number of apps with brokers of their own', { targets: [target, redis] }, { text: 'tq: 2 apps' }],
    ['Restricted Mode', { trusted: false }, { text: 'tq: restricted', isTrouble: false }],
    ['that there is no Node', { state: 'noNode' }, { text: 'tq: no Node', isTrouble: true }],
    ['that it has given up', { state: 'ended', targets: [target] }, { text: 'tq: ended', isTrouble: true }],
    ['that it can only scan', { scanOnly: true, targets: [target] }, { text: 'tq: scan only', isTrouble: true }],
  ])('tells %s', (_, given, expected) => {
    expect(status(given)).toMatchObject(expected)
  })

  test('is silent where there is no app', () => {
    expect(status({})).toBeUndefined()
  })
})
