import { describe, expect, test } from 'vitest'
import { queuesTree } from '../../extension/src/views/queues-model.ts'
import { tasksTree } from '../../extension/src/views/tasks-model.ts'
import { changedNodes, type TreeNode } from '../../extension/src/views/tree-node.ts'
import { workersTree } from '../../extension/src/views/workers-model.ts'
import { app, folder, liveWorker, messages, outline, scanDiff, scanResult, shop, target, taskInfo } from './models.ts'

const add = taskInfo('math.add')
const send = taskInfo('mail.send', { file: 'src/tasks/mail.ts' })

describe('the view of tasks', () => {
  test('groups definitions by file, in order of file and place', () => {
    const mul = taskInfo('math.mul', { site: { ...add.site, line: 2 }, range: { ...add.range, start: 5 } })

    const tree = tasksTree(shop([add, mul, send]))

    expect(outline(tree)).toEqual([
      'mail.ts | src/tasks',
      '  mail.send | (x: number): number',
      'math.ts | src/tasks',
      '  math.mul | (x: number): number',
      '  math.add | (x: number): number',
    ])
  })

  test('leaves out what tests define', () => {
    const tree = tasksTree(shop([add, taskInfo('t', { file: 'a.test.ts', inTest: true })]))

    expect(outline(tree)).not.toContain('  t | (x: number): number')
  })

  test('names the app only where there are two, and the folder only where there are two', () => {
    const input = shop([])
    const other = 'src/other.ts#app'
    const range = add.range
    input.catalogue.replace(
      folder,
      scanResult([add, taskInfo('b', { app: other, file: 'src/b.ts' })], {
        apps: [
          { id: app, main: 'shop', file: 'src/app.ts', range },
          { id: other, main: 'other', file: 'src/other.ts', range },
        ],
      }),
    )
    input.catalogue.replace('/w/bank', scanResult([send], { folder: '/w/bank' }))

    const one = tasksTree(input)
    const two = tasksTree({ ...input, folders: [...input.folders, { path: '/w/bank', name: 'bank' }] })

    expect(outline(one).slice(0, 2)).toEqual(['shop | src/app.ts', '  math.ts | src/tasks'])
    expect(outline(two).filter((line) => !line.startsWith(' '))).toEqual(['shop', 'bank'])
  })

  test('marks what live workers have and what none has', () => {
    const tree = tasksTree(shop([add, send], [liveWorker('w1')]))

    const [mail, math] = tree.flatMap((one) => one.children ?? [])
    expect(math).toMatchObject({ context: 'task;static;run;live', icon: 'circle-filled' })
    expect(mail).toMatchObject({ context: 'task;static;run;missing', icon: 'warning' })
    expect(mail?.description).toContain('not on any worker')
    expect(mail?.spoken).toContain('not on any worker')
  })

  test.each([
    ['no worker is there', []],
    ['no worker is live', [liveWorker('w1', { state: 'stale' })]],
    ['one has not answered', [liveWorker('w1'), liveWorker('w2', { registered: undefined })]],
  ])('marks nothing as missing while %s', (_, workers) => {
    const tree = tasksTree(shop([send], workers))

    expect(tree[0]?.children?.[0]?.context).toBe('task;static;run')
  })

  test("puts what only live workers have in a group of its own, without Celery's own", () => {
    const registered = ['math.add', 'old.task', 'celery.ping']
    const workers = [liveWorker('w1', { registered }), liveWorker('w2', { registered: ['old.task'] })]

    const tree = tasksTree(shop([add], workers))

    expect(outline(tree).slice(-2)).toEqual(['Only on workers | 1', '  old.task | w1, w2'])
  })

  test('a task whose name is known at run time only cannot be run from it', () => {
    const dynamic = taskInfo('x', { name: undefined, naming: 'dynamic', nameText: 'nameOf()' })

    const [file] = tasksTree(shop([dynamic]))

    expect(file?.children?.[0]).toMatchObject({ label: 'nameOf()', context: 'task;static' })
  })

  test('ids stay when a line or a signature changes, so that nothing collapses', () => {
    const before = tasksTree(shop([add]))
    const after = tasksTree(shop([{ ...add, site: { ...add.site, line: 9 }, signature: 'math.add(): void' }]))

    expect(ids(after)).toEqual(ids(before))
  })

  test('5,000 tasks are built and compared in no time', () => {
    const many = Array.from({ length: 5000 }, (_, i) => taskInfo(`t${i}`, { file: `src/f${i % 500}.ts` }))
    const input = shop(many, [liveWorker('w1', { registered: many.map((one) => one.name ?? '') })])

    const started = process.cpuUsage()
    const tree = tasksTree(input)
    const changed = changedNodes(tree, tasksTree(input))
    const { user, system } = process.cpuUsage(started)

    expect(changed).toEqual([])
    expect((user + system) / 1000).toBeLessThan(1000)
  })

  test('files in which nothing has changed keep their nodes, until workers have other tasks', () => {
    const memo = new Map()
    const input = { ...shop([add, send]), memo }
    const before = tasksTree(input)

    input.catalogue.apply(folder, scanDiff({ changed: [{ ...add, signature: 'math.add(n: number): number' }] }))
    const edited = tasksTree(input)
    input.cluster.setLive({ target: target.id, workers: [liveWorker('w1')], queues: [] })
    const live = tasksTree(input)

    expect(edited[0]).toBe(before[0])
    expect(outline(edited)[3]).toBe('  math.add | (n: number): number')
    expect(live[0]).not.toBe(before[0])
    expect(outline(live)[1]).toContain('not on any worker')
  })

  test('files are closed where there are many tasks', () => {
    const many = Array.from({ length: 301 }, (_, i) => taskInfo(`t${i}`))

    expect(tasksTree(shop(many.slice(1)))).toMatchObject([{ isOpen: true }])
    expect(tasksTree(shop(many))[0]).not.toHaveProperty('isOpen')
  })
})

describe('the view of workers', () => {
  test('tells what they do and what they are', () => {
    const { cluster } = shop([], [liveWorker('w1', { own: true })])

    const tree = workersTree(cluster, messages, 0)

    expect(outline(tree)).toEqual([
      'w1 | 1/100 active · 12 processed',
      '  tq 0.1.0 | pid 7 · started here',
      '  Slots | 1/100',
      '  Queues | 1',
      '    celery',
      '  Registered tasks | 1',
      '    math.add',
    ])
  })

  test('one whose heartbeat is late is grey, with its age; one that has left says so', () => {
    const { cluster } = shop([], [liveWorker('w1', { state: 'stale' }), liveWorker('w2', { state: 'offline' })])

    const [stale, offline] = workersTree(cluster, messages, 34_000)

    expect(stale).toMatchObject({ isGrey: true, context: 'worker;stale', description: 'no heartbeat for 30 s' })
    expect(offline).toMatchObject({ isGrey: true, context: 'worker;offline', description: 'offline' })
  })

  test('names the apps where workers of two are there', () => {
    const { cluster } = shop([], [liveWorker('w1')])
    cluster.setTargets([target, { ...target, id: '/w/bank#app', main: 'bank', folder: '/w/bank' }])
    cluster.setLive({ target: '/w/bank#app', workers: [liveWorker('w2')], queues: [] })

    const tree = workersTree(cluster, messages, 0)

    expect(tree.map((one) => one.label)).toEqual(['shop', 'bank'])
  })

  test('a name with control characters is shown with escapes', () => {
    const { cluster } = shop([], [liveWorker('w1\u001b[2J\u202e')])

    const [worker] = workersTree(cluster, messages, 0)

    expect(worker?.label).toBe('w1\\u001b[2J\\u202e')
  })
})

describe('the view of queues', () => {
  test('tells what waits, and warns where nobody fetches it', () => {
    const { cluster } = shop([])
    const queues = [
      { name: 'celery', ready: 0, held: 2, parked: 1, consumers: 1 },
      { name: 'mail', ready: 3, held: 0, parked: 0, consumers: 0 },
      { name: 'far', ready: 1, held: 0, parked: 0 },
    ]
    cluster.setLive({ target: target.id, workers: [], queues })

    const tree = queuesTree(cluster, messages, 0)

    expect(outline(tree)).toEqual([
      'celery | 0 ready · 2 held · 1 scheduled · 1 consumer',
      'mail | 3 ready · no consumer',
      'far | 1 ready',
    ])
    expect(tree.map((one) => one.icon)).toEqual(['list-flat', 'warning', 'list-flat'])
  })
})

describe('while the broker is lost', () => {
  test('nobody is shown as living, and everything has its age', () => {
    const { cluster, ...input } = shop([add], [liveWorker('w1')])
    cluster.setLive({
      target: target.id,
      workers: [liveWorker('w1')],
      queues: [{ name: 'celery', ready: 2, held: 0, parked: 0, consumers: 0 }],
    })
    cluster.setTargets([{ ...target, state: 'lost' }], 10_000)
    cluster.setTargets([{ ...target, state: 'lost', reason: 'refused' }], 20_000)

    const [worker] = workersTree(cluster, messages, 30_000)
    const [queue] = queuesTree(cluster, messages, 30_000)
    const [file] = tasksTree({ ...input, cluster })

    expect(worker).toMatchObject({ description: 'no heartbeat for 30 s', isGrey: true, context: 'worker;stale' })
    expect(queue).toMatchObject({ description: '20 s ago · 2 ready · no consumer', isGrey: true, icon: 'list-flat' })
    expect(file?.children).toMatchObject([{ icon: 'symbol-method' }])
  })

  test('all is as before when it is back', () => {
    const { cluster } = shop([], [liveWorker('w1')])
    cluster.setTargets([{ ...target, state: 'lost' }], 10_000)
    cluster.setTargets([target], 20_000)

    expect(workersTree(cluster, messages, 0)).toMatchObject([{ context: 'worker;live' }])
  })
})

describe('what a view asks the editor to draw again', () => {
  const tree = (count: number): TreeNode[] => [
    { id: 'a', label: 'a', children: [{ id: 'a1', label: 'x' }] },
    { id: 'b', label: 'b', description: String(count) },
  ]

  test('is nothing when nothing has changed', () => {
    expect(changedNodes(tree(1), tree(1))).toEqual([])
  })

  test('is the item that has changed', () => {
    expect(changedNodes(tree(1), tree(2))).toEqual(['b'])
  })

  test('is the parent whose children came or went, and all when that is the root', () => {
    const [a, b] = tree(1)
    const grown = [
      {
        ...a,
        id: 'a',
        label: 'a',
        children: [
          { id: 'a1', label: 'x' },
          { id: 'a2', label: 'y' },
        ],
      },
    ]

    expect(changedNodes(tree(1), [...grown, ...(b ? [b] : [])])).toEqual(['a'])
    expect(changedNodes(tree(1), grown)).toBe('all')
  })
})

function ids(nodes: readonly TreeNode[]): string[] {
  return nodes.flatMap((one) => [one.id, ...ids(one.children ?? [])])
}
