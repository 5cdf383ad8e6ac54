import { expect, test } from 'vitest'
import { chain, currentTask } from '../../runtime/src/index.ts'
import { bench } from '../helpers/app.ts'

/** Tasks that note who called them. */
function noting() {
  const one = bench()
  const { app } = one
  const calls: {
    readonly task: string
    readonly args: readonly unknown[]
    readonly id: string
    readonly parentId: string | undefined
    readonly rootId: string
  }[] = []
  const note = (): void => {
    const { task, args, id, parentId, rootId } = currentTask().request
    calls.push({ task, args, id, parentId, rootId })
  }
  const add = app.task('t.add', (x: number, y: number): number => {
    note()
    return x + y
  })
  const fmt = app.task('t.fmt', (n: number, prefix: string): string => {
    note()
    return `${prefix}${n}`
  })
  const fail = app.task('t.fail', (_n: number): number => {
    note()
    throw new TypeError('boom')
  })
  const report = app.task('t.report', (id: string): string => {
    note()
    return id
  })
  return {
    ...one,
    add,
    fmt,
    fail,
    report,
    calls,
    callsOf: (task: string) => calls.filter((call) => call.task === task),
  }
}

test('a callback gets the result, the caller as its parent and the root of all', async () => {
  const { add, fmt, worker, ready, callsOf } = noting()
  await worker()

  const result = await add.applyAsync([1, 2], { link: fmt.s('#') })
  await ready(result)

  expect(callsOf('t.fmt')).toMatchObject([{ args: [3, '#'], parentId: result.id, rootId: result.id }])
})

test('several callbacks all run; an immutable one takes nothing', async () => {
  const { add, fmt, worker, ready, callsOf } = noting()
  await worker()

  await ready(
    await add
      .s(1, 2)
      .link(fmt.s('a'))
      .applyAsync([], { link: [fmt.s('b'), fmt.si(9, 'c')] }),
  )

  expect(callsOf('t.fmt').map(({ args }) => args)).toEqual([
    [3, 'a'],
    [3, 'b'],
    [9, 'c'],
  ])
})

test('an error callback gets the id of the failed task, and the callback nothing', async () => {
  const { fail, fmt, report, worker, ready, calls } = noting()
  await worker()

  const result = await fail.applyAsync([1], { link: fmt.s('#'), linkError: report.s() })
  await ready(result)

  expect(calls).toMatchObject([
    { task: 't.fail' },
    { task: 't.report', args: [result.id], parentId: result.id, rootId: result.id },
  ])
})

test('an error callback stays silent after a success', async () => {
  const { add, report, worker, ready, callsOf } = noting()
  await worker()

  await ready(await add.applyAsync([1, 1], { linkError: report.s() }))

  expect(callsOf('t.report')).toEqual([])
})

test('a chain hands each result to the next and gives the last', async () => {
  const { add, fmt, worker, pass, calls } = noting()
  await worker()

  const result = await chain(add.s(2, 2), add.s(4), fmt.s('n=')).delay()

  expect(await pass(result.get())).toBe('n=8')
  const [first, second, third] = calls
  expect(calls.map(({ args }) => args)).toEqual([
    [2, 2],
    [4, 4],
    [8, 'n='],
  ])
  expect([first?.parentId, second?.parentId, third?.parentId]).toEqual([undefined, first?.id, second?.id])
  expect(new Set(calls.map(({ rootId }) => rootId))).toEqual(new Set([first?.id]))
})

test('the result of a chain knows the steps before it', async () => {
  const { add, fmt, worker, pass, calls } = noting()
  await worker()

  const result = await add.s(2).pipe(add.s(4)).pipe(fmt.s('n=')).delay(1)

  expect(await pass(result.get())).toBe('n=7')
  expect([result.parent?.parent?.id, result.parent?.id, result.id]).toEqual(calls.map(({ id }) => id))
  expect(await result.parent?.get()).toBe(7)
  expect(result.parent?.parent?.parent).toBeUndefined()
})

test('a step that fails fails the steps behind it', async () => {
  const { add, fail, fmt, worker, ready, pass, calls } = noting()
  await worker()

  const result = await chain(add.s(1, 1), fail.s(), add.s(1), fmt.s('#')).delay()

  await expect(pass(result.get())).rejects.toMatchObject({ code: 'TQ_TASK_FAILED', type: 'TypeError', args: ['boom'] })
  const { parent } = result
  expect(parent && 'meta' in parent && (await ready(parent))).toMatchObject({
    state: 'FAILURE',
    error: { type: 'TypeError' },
  })
  expect(calls.map(({ task }) => task)).toEqual(['t.add', 't.fail'])
})

test('the options of a chain: the last step has its id and links, every step its error links', async () => {
  const { add, fail, fmt, report, worker, ready, callsOf } = noting()
  await worker()

  const good = await chain(add.s(1, 1), add.s(1)).applyAsync([], { taskId: 'whole', link: fmt.s('#') })
  await ready(good)
  const bad = await chain(fail.s(1), add.s(1)).applyAsync([], { linkError: report.s() })
  await ready(bad)

  expect(good.id).toBe('whole')
  expect(callsOf('t.fmt')).toMatchObject([{ args: [3, '#'], parentId: 'whole' }])
  expect(callsOf('t.report')).toMatchObject([{ args: [bad.parent?.id] }])
})

test('the options of a step hold for that step', async () => {
  const { add, fmt, worker, pass, clock } = noting()
  const sentAt = clock.now()
  await worker({ queues: ['celery', 'other'] })

  const result = await chain(add.s(1, 1), fmt.s('#').set({ queue: 'other', countdown: 30 })).delay()

  expect(await pass(result.get())).toBe('#2')
  expect(clock.now()).toBe(sentAt + 30_000)
})

test('chains in chains are one chain, and a chain of one is its step', async () => {
  const { add } = noting()

  const nested = chain(chain(add.s(1, 1), add.s(2)), chain(add.s(3), add.s(4)))

  expect(nested.data.parts?.map(({ args }) => args)).toEqual([[1, 1], [2], [3], [4]])
  expect(chain(add.s(1, 1)).data.kind).toBe('task')
})

test('a signature is a value: set, link and pipe leave it as it was', () => {
  const { add, fmt, report } = noting()
  const signature = add.s(1)

  signature.set({ queue: 'x' })
  signature.link(fmt.s('#'))
  signature.linkError(report.s())
  signature.pipe(fmt.s('#'))

  expect(signature.data).toEqual(add.s(1).data)
})

test('a signature by name is what the task would give', () => {
  const { app, add } = noting()

  expect(app.signature('t.add', [1]).data).toEqual(add.s(1).data)
  expect(add.s(1).toJSON()).toMatchObject({ task: 't.add', args: [1], subtask_type: null, immutable: false })
})
