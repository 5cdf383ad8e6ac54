import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { chain, chord, group, type Signature, Tq } from '../../runtime/src/index.ts'
import { type PythonClient, type PythonWorker, pythonClient, startPythonWorker } from '../helpers/python.ts'
import { type RedisServer, requireService, startRedis } from '../helpers/services.ts'

type Whole = Signature<[], unknown, unknown>
type Add = (x: number, y: number) => number

/** Where the steps of a canvas run: an endless row of turns. */
interface Steps {
  add(y: number): Signature<[number], number>
  whole(x: number, y: number): Signature<[], number>
  sum(): Signature<[readonly number[]], number>
}

const forms: readonly [string, (s: Steps) => Whole, unknown][] = [
  ['a chain', (s) => chain(s.whole(1, 1), s.add(2), s.add(3), s.add(4)), 11],
  ['a group', (s) => group(s.whole(1, 1), s.whole(2, 2), s.whole(3, 3)), [2, 4, 6]],
  ['a chord', (s) => chord([s.whole(1, 1), s.whole(2, 2), s.whole(3, 3)], s.sum()), 12],
  ['a chord with a chain as body', (s) => chord([s.whole(1, 1), s.whole(2, 2)], chain(s.sum(), s.add(1), s.add(2))), 9],
  ['a group in the middle', (s) => chain(s.whole(1, 1), group(s.add(1), s.add(2)), s.sum(), s.add(10)), 17],
  ['a group at the end', (s) => chain(s.whole(1, 1), s.add(1), group(s.add(1), s.add(2), s.add(3))), [4, 5, 6]],
  [
    'chains in a header',
    (s) => chord([chain(s.whole(1, 1), s.add(1), s.add(1)), s.whole(5, 5), chain(s.whole(1, 2), s.add(3))], s.sum()),
    20,
  ],
  [
    'a chord in a header',
    (s) => chord([s.whole(0, 1), chord([s.whole(1, 1), s.whole(2, 2)], s.sum()), s.whole(3, 4)], s.sum()),
    14,
  ],
  [
    'two groups one after the other',
    (s) => chain(group(s.whole(1, 1), s.whole(2, 2)), s.sum(), group(s.add(1), s.add(2)), s.sum()),
    15,
  ],
  [
    'a chain that ends in a chord, in a header',
    (s) => chord([chain(s.whole(1, 1), group(s.add(1), s.add(2)), s.sum()), s.whole(5, 5)], s.sum()),
    17,
  ],
]

describe.skipIf(!requireService('celery') || !requireService('redis'))('a canvas of Python and tq steps', () => {
  let redis: RedisServer
  let python: PythonWorker
  let client: PythonClient
  let app: Tq

  beforeAll(async () => {
    redis = await startRedis()
    const urls = { brokerUrl: redis.url, backendUrl: redis.url }
    app = new Tq('interop', { brokerUrl: redis.url, resultBackend: redis.url })
    app.task('tq.add', (x: number, y: number): number => x + y)
    app.task('tq.sum', (xs: readonly number[]): number => xs.reduce((a, b) => a + b, 0))
    ;[python, client] = await Promise.all([startPythonWorker(urls), pythonClient(urls)])
    await app.startWorker({ hostname: 'tq@interop' })
  })

  afterAll(async () => {
    await app?.close()
    await Promise.all([python?.stop(), client?.close()])
    await redis?.stop()
  })

  /** Steps that run in turn where `turns` says: p for Python, t for tq. */
  function steps(turns: string): Steps {
    let at = 0
    const name = (task: string): [string, string] => {
      const python = turns[at++ % turns.length] === 'p'
      return python ? [`py.${task === 'sum' ? 'tsum' : task}`, 'py'] : [`tq.${task}`, 'celery']
    }
    const external = <F extends Add | ((xs: readonly number[]) => number)>(task: string) => {
      const [full, queue] = name(task)
      return app.external<F>(full, { queue })
    }
    return {
      add: (y) => app.external<Add>(...named(name('add'))).s(y),
      whole: (x, y) => app.external<Add>(...named(name('add'))).s(x, y),
      sum: () => external<(xs: readonly number[]) => number>('sum').s(),
    }
  }

  for (const turns of ['p', 't', 'pt', 'tpp']) {
    for (const [name, make, wanted] of forms) {
      test(`${name} sent by tq, run by ${turns}`, async () => {
        const result = await app.sendSignature<{ get(options: object): Promise<unknown> }>(make(steps(turns)).data)

        expect(await result.get({ timeout: 90 })).toEqual(wanted)
      })

      test(`${name} sent by Python, run by ${turns}`, async () => {
        const [[id], children] = (await client.applySignature(make(steps(turns)).toJSON())) as Tuple

        const ids = children?.map(([[child]]) => child)
        const value = ids
          ? await app.resultSet(ids.map((child) => app.result(child))).get({ timeout: 90 })
          : await app.result(id).get({ timeout: 90 })
        expect(value).toEqual(wanted)
      })
    }
  }

  test('a header part that fails in Python fails a body of tq, and the other way round', async () => {
    const fails = app.signature('py.fail', ['oops'], { immutable: true }).set({ queue: 'py' }) as unknown as Whole
    const { whole, sum } = steps('t')
    const here = await app.sendSignature<{ get(options: object): Promise<unknown> }>(
      chord([whole(1, 1), fails], sum() as never).data,
    )
    const [[id]] = (await client.applySignature(chord([whole(1, 1), fails], sum() as never).toJSON())) as Tuple

    await expect(here.get({ timeout: 90 })).rejects.toMatchObject({
      type: 'ChordError',
      message: expect.stringContaining("raised ValueError('oops')"),
    })
    expect(await client.result(id)).toMatchObject({ status: 'FAILURE', result: { type: 'ChordError' } })
  })
})

type Tuple = [[string, unknown], [[string]][] | null]

const named = ([name, queue]: [string, string]): [string, { readonly queue: string }] => [name, { queue }]
