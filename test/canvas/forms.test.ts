import { expect, test } from 'vitest'
import { chain, chord, group, type Signature } from '../../runtime/src/index.ts'
import { bench } from '../helpers/app.ts'

function tasks() {
  const one = bench()
  const { app } = one
  const add = app.task('t.add', (x: number, y: number): number => x + y)
  const sum = app.task('t.sum', (xs: readonly number[]): number => xs.reduce((a, b) => a + b, 0))
  const list = app.task('t.list', (...xs: unknown[]): unknown => xs)
  const fmt = app.task('t.fmt', (n: number, prefix: string): string => `${prefix}${n}`)
  return { ...one, add, sum, list, fmt }
}

test('a group gives the results of its members in order', async () => {
  const { add, fmt, worker, pass } = tasks()
  await worker()

  const result = await group(add.s(1, 1), fmt.s(2, '#'), add.s(3, 3)).delay()

  expect(await pass(result.get())).toEqual([2, '#2', 6])
})

test('a group of what an iterable gives', async () => {
  const { add, worker, pass } = tasks()
  await worker()
  function* some() {
    for (let i = 0; i < 20; i++) yield add.s(i, i)
  }

  const result = await group(some()).delay()

  expect(await pass(result.get())).toEqual(Array.from({ length: 20 }, (_, i) => 2 * i))
})

test('a chord hands the results of its header to its body', async () => {
  const { add, sum, worker, pass } = tasks()
  await worker()

  const result = await chord(
    [1, 2, 3].map((x) => add.s(x, x)),
    sum.s(),
  ).delay()

  expect(await pass(result.get())).toBe(12)
  expect(await pass(result.parent?.get() ?? Promise.resolve())).toEqual([2, 4, 6])
})

const forms: readonly [string, (t: ReturnType<typeof tasks>) => Signature<[], unknown, unknown>, unknown][] = [
  ['a group followed by a task', ({ add, sum }) => group(add.s(1, 1), add.s(2, 2)).pipe(sum.s()), 6],
  [
    'a group followed by a chain',
    ({ add, sum }) => chain(group(add.s(1, 1), add.s(2, 2)), sum.s(), add.s(10), add.s(100)),
    116,
  ],
  ['a group in the middle', ({ add, sum }) => chain(add.s(1, 1), group(add.s(1), add.s(2)), sum.s()), 7],
  ['a group at the end', ({ add }) => chain(add.s(1, 1), group(add.s(1), add.s(2))), [3, 4]],
  ['a group of one', ({ add, sum }) => group(add.s(1, 1)).pipe(sum.s()), 2],
  ['a group after a group', ({ add, sum }) => chain(group(add.s(1, 1), add.s(2, 2)), group(sum.s(), sum.s())), [6, 6]],
  ['a group in a group', ({ add }) => group(add.s(0, 1), group(add.s(1, 1), add.s(1, 2)), add.s(2, 2)), [1, 2, 3, 4]],
  ['an empty header', ({ app, sum }) => group([], app).pipe(sum.s()), 0],
  ['a chain in a header', ({ add, sum }) => chord([chain(add.s(1, 1), add.s(1), add.s(1)), add.s(5, 5)], sum.s()), 14],
  [
    'a chord in a header',
    ({ add, sum, list }) => chord([add.s(0, 1), chord([add.s(1, 1), add.s(2, 2)], sum.s()), add.s(3, 4)], list.s()),
    [[1, 6, 7]],
  ],
  [
    'a chain that ends in a group, in a header',
    ({ add, list }) => chord([chain(add.s(1, 1), group(add.s(1), add.s(2))), add.s(5, 5)], list.s()),
    [[3, 4, 10]],
  ],
  [
    'a chain that ends in a chord, in a header',
    ({ add, sum, list }) => chord([chain(add.s(1, 1), group(add.s(1), add.s(2)), sum.s()), add.s(5, 5)], list.s()),
    [[7, 10]],
  ],
  [
    'a chord whose body is a chain',
    ({ add, sum }) => chord([add.s(1, 1), add.s(2, 2)], chain(sum.s(), add.s(1), add.s(1))),
    8,
  ],
  [
    'a chord whose body is a chord',
    ({ add, sum }) => chord([add.s(1, 1), add.s(2, 2)], chord([sum.s(), sum.s()], sum.s())),
    12,
  ],
  ['a chord whose body is a group', ({ add, sum, list }) => chord([add.s(1, 1)], group(sum.s(), list.s())), [2, [[2]]]],
]

for (const [name, make, wanted] of forms) {
  test(`${name} gives what it says`, async () => {
    const t = tasks()
    await t.worker()

    const result = await t.app.sendSignature<{ get(): Promise<unknown> }>(make(t).data)

    expect(await t.pass(result.get())).toEqual(wanted)
  })

  test(`${name} gives the same from a signature that was JSON`, async () => {
    const t = tasks()
    await t.worker()
    const { dictToSignature } = await import('../../runtime/src/wire/canvas-dict.ts')
    const data = dictToSignature(JSON.parse(JSON.stringify(make(t))))

    const result = await t.app.sendSignature<{ get(): Promise<unknown> }>(data)

    expect(await t.pass(result.get())).toEqual(wanted)
  })

  test(`${name} gives the same eagerly`, async () => {
    const t = tasks()
    t.app.eager = true

    const result = await t.app.sendSignature<{ get(): Promise<unknown> }>(make(t).data)

    expect(await result.get()).toEqual(wanted)
  })
}
