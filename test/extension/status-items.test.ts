import { describe, expect, test } from 'vitest'
import { Cluster } from '../../extension/src/cluster.ts'
import { type StatusItemsInput, statusItems } from '../../extension/src/status-items.ts'
import { liveWorker, messages, target } from './models.ts'

const node = { path: '/usr/bin/node', version: 'v24.1.0', origin: 'path', scanOnly: false, env: {} } as const

function items(given: Partial<StatusItemsInput> = {}, cluster = new Cluster()) {
  return statusItems({
    state: 'ready',
    scanOnly: false,
    trusted: true,
    cluster,
    messages,
    node,
    tasks: 0,
    problems: 0,
    nowMs: 30_000,
    ...given,
  })
}

describe('the lines of the status', () => {
  test('tell the app, its broker and its workers, what was found and which Node does it', () => {
    const cluster = new Cluster()
    cluster.setTargets([target])
    cluster.setLive({
      target: target.id,
      workers: [liveWorker('w1'), liveWorker('w2', { state: 'stale' })],
      queues: [],
    })

    expect(items({ tasks: 3, problems: 2 }, cluster)).toEqual([
      { label: '$(pass) shop', description: 'embedded · 1 worker', detail: 'w1', command: 'tq.workers.focus' },
      { label: '$(symbol-method) 3 tasks', command: 'tq.openTask' },
      { label: '$(warning) 2 problems', command: 'workbench.actions.view.problems' },
      {
        label: '$(vm) Node 24.1.0',
        description: '/usr/bin/node',
        detail: 'from PATH',
        command: 'workbench.action.openSettings',
        argument: 'tq.nodePath',
      },
    ])
  })

  test('tell of a lost broker since when and why', () => {
    const cluster = new Cluster()
    const redis = { ...target, embedded: false, broker: 'redis://box/0' }
    cluster.setTargets([{ ...redis, state: 'lost', reason: 'connection refused' }], 10_000)

    expect(items({}, cluster)[0]).toEqual({
      label: '$(error) shop',
      description: 'redis://box/0 · broker lost 20 s ago',
      detail: 'connection refused',
      command: 'tq.showLog',
    })
  })

  test.each<[string, Partial<StatusItemsInput>, string, string]>([
    ['Restricted Mode', { trusted: false }, '$(shield) Restricted Mode', 'workbench.trust.manage'],
    ['no Node', { state: 'noNode', node: undefined }, '$(error) tq needs Node.js', 'workbench.action.openSettings'],
    ['a sidecar that ended', { state: 'ended' }, '$(error) The background process', 'tq.restart'],
  ])('tell %s first, and choosing that line does something about it', (_, given, label, command) => {
    const [first] = items(given)

    expect(first).toMatchObject({ label: expect.stringContaining(label), command })
  })
})
