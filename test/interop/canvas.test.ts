import { afterAll, beforeAll, expect, test } from 'vitest'
import { chain, chord, group, type Signature, silentLogger, Tq } from '../../runtime/src/index.ts'
import { type PythonClient, type PythonWorker, pythonClient, startPythonWorker } from '../helpers/python.ts'
import { describeOnBrokers, type InteropBroker } from './brokers.ts'

type Whole = Signature<[], unknown, unknown>
type Add = (x: number, y: number) => number

/** Where the steps of a canvas run: an endless row of turns. */
interface Steps {
  add(y: number): Signature<[number], number>
  /** Takes nothing from what ran before. */
  alone(x: number, y: number): Signature<[], number>
  /** Puts an addition in its own place. */
  replaced(x: number, y: number): Signature<[], number>
  /** Puts a group in its own place that adds 10 to each. */
  replacedByGroup(xs: readonly number[]): Signature<[], number[]>
  whole(x: number, y: number): Signature<[], number>
  sum(): Signature<[readonly number[]], number>
}

const forms: readonly [string, (s: Steps) => Whole, unknown][] = [
  ['a chain', (s) => chain(s.whole(1, 1), s.add(2), s.add(3), s.add(4)), 11],
  ['a chain with an immutable step', (s) => chain(s.whole(1, 1), s.alone(2, 2), s.add(3)), 7],
  ['a task that is replaced', (s) => chain(s.replaced(3, 4), s.add(1)), 8],
  ['a task that is replaced by a group', (s) => s.replacedByGroup([1, 2]), [11, 12]],
  ['replaced parts in a header', (s) => chord([s.replaced(1, 2), s.whole(3, 4), s.replaced(5, 6)], s.sum()), 21],
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

describeOnBrokers('a canvas of Python and tq steps', (start, transport) => {
  let broker: InteropBroker
  let python: PythonWorker
  let client: PythonClient
  let app: Tq

  beforeAll(async () => {
    broker = await start()
    const { brokerUrl, backendUrl } = broker
    app = new Tq('interop', { brokerUrl, resultBackend: backendUrl, logger: silentLogger })
    const add = app.task('tq.add', (x: number, y: number): number => x + y)
    app.task('tq.sum', (xs: readonly number[]): number => xs.reduce((a, b) => a + b, 0))
    app.task('tq.replace_add', { bind: true }, async (self, x: number, y: number) => self.replace(add.s(x, y)))
    app.task('tq.replace_group', { bind: true }, async (self, xs: readonly number[]) =>
      self.replace(group(xs.map((x) => add.s(x, 10)))),
    )
    app.task('tq.fail', (text: string) => {
      throw new RangeError(text)
    })
    app.task(
      'tq.ids',
      { bind: true, params: ['prev', 'label'], typing: false },
      ({ request }, prev = null, label = null) => {
        const { id, rootId, parentId = null } = request
        return { id, root: rootId, parent: parentId, label, prev }
      },
    )
    ;[python, client] = await Promise.all([startPythonWorker(broker), pythonClient(broker)])
    await app.startWorker({ hostname: 'tq@interop' })
  })

  afterAll(async () => {
    await app?.close()
    await Promise.all([python?.stop(), client?.close()])
    await broker?.stop()
  })

  /** Steps that run in turn where `turns` says: p for Python, t for tq. */
  function steps(turns: string): Steps {
    let at = 0
    const name = (task: string): [string, string] => {
      const python = turns[at++ % turns.length] === 'p'
      return python ? [`py.${task === 'sum' ? 'tsum' : task}`, 'py'] : [`tq.${task}`, 'celery']
    }
    const external = <F extends (xs: readonly number[]) => number | number[]>(task: string) => {
      const [full, queue] = name(task)
      return app.external<F>(full, { queue })
    }
    return {
      add: (y) => app.external<Add>(...named(name('add'))).s(y),
      alone: (x, y) => app.external<Add>(...named(name('add'))).si(x, y),
      replaced: (x, y) => app.external<Add>(...named(name('replace_add'))).s(x, y),
      replacedByGroup: (xs) => external<(xs: readonly number[]) => number[]>('replace_group').s(xs),
      whole: (x, y) => app.external<Add>(...named(name('add'))).s(x, y),
      sum: () => external<(xs: readonly number[]) => number>('sum').s(),
    }
  }

  // What only one side runs does not depend on the broker.
  for (const turns of transport === 'redis' ? ['p', 't', 'pt', 'tpp'] : ['tpp']) {
    for (const [name, make, wanted] of forms) {
      test(`${name} sent by tq, run by ${turns}`, async () => {
        const result = await app.sendSignature<Handle>(make(steps(turns)).data)

        expect(await result.get({ timeout })).toEqual(wanted)
      })

      test(`${name} sent by Python, run by ${turns}`, async () => {
        const [[id], children] = (await client.applySignature(make(steps(turns)).toJSON())) as Tuple

        const ids = children?.map(([[child]]) => child)
        const value = ids
          ? await app.resultSet(ids.map((child) => app.result(child))).get({ timeout })
          : await app.result(id).get({ timeout })
        expect(value).toEqual(wanted)
      })
    }
  }

  test.each(['py', 'tq'])('a chain step that fails in %s ends what follows it, whoever asks', async (where) => {
    const { add, whole } = steps(where === 'py' ? 't' : 'p')
    const fails = failing(where)
    // Tasks of the other language are known by name alone, here and below.
    const sent = chain(whole(1, 1), fails as never, add(1) as never, add(2) as never)
    const here = await app.sendSignature<Handle>(sent.data)
    const [[id]] = (await client.applySignature(sent.toJSON())) as Tuple

    const type = where === 'py' ? 'ValueError' : 'RangeError'
    for (const last of [here.id, id]) {
      await expect(app.result(last).get({ timeout })).rejects.toMatchObject({ type })
      expect(await client.result(last, timeout)).toMatchObject({ status: 'FAILURE', result: { args: ['oops'] } })
    }
  })

  test.each(['py', 'tq'])('a header part that fails in %s fails a body of the other, whoever asks', async (where) => {
    const { whole, sum } = steps(where === 'py' ? 't' : 'p')
    const sent = chord([whole(1, 1), failing(where)], sum() as never)
    const here = await app.sendSignature<Handle>(sent.data)
    const [[id]] = (await client.applySignature(sent.toJSON())) as Tuple

    for (const body of [here.id, id]) {
      await expect(app.result(body).get({ timeout })).rejects.toMatchObject({
        type: 'ChordError',
        message: expect.stringContaining("Error('oops')"),
      })
      expect(await client.result(body, timeout)).toMatchObject({ status: 'FAILURE', result: { type: 'ChordError' } })
    }
  })

  test.each(['ptp', 'tpt'])('root and parent are the same for every step, run by %s', async (turns) => {
    const names = turns.split('').map((turn) => (turn === 'p' ? named(['py.ids', 'py']) : named(['tq.ids', 'celery'])))
    const signatures = names.map(([name, { queue }], at) =>
      app.signature(name, at === 0 ? [null] : [], { kwargs: { label: at } }).set({ queue }),
    )
    const [first, ...rest] = signatures
    const sent = rest.reduce((before, next) => before.pipe(next as never), first as unknown as Whole)
    const here = await app.sendSignature<Handle>(sent.data)
    const [[id]] = (await client.applySignature(sent.toJSON())) as Tuple

    for (const last of [here.id, id]) {
      const third = (await app.result(last).get({ timeout })) as Ids
      const [second, one] = [third.prev, third.prev?.prev]
      expect([third.id, third.label, second?.label, one?.label]).toEqual([last, 2, 1, 0])
      expect([third.parent, second?.parent, one?.parent ?? null]).toEqual([second?.id, one?.id, null])
      expect([third.root, second?.root, one?.root]).toEqual([one?.id, one?.id, one?.id])
    }
  })

  function failing(where: string): Signature<[], unknown, unknown> {
    const queue = where === 'py' ? 'py' : 'celery'
    return app.signature(`${where}.fail`, ['oops'], { immutable: true }).set({ queue })
  }
})

const timeout = 90

interface Handle {
  readonly id: string
  get(options: object): Promise<unknown>
}

/** What `ids` gives: of itself, and of the step before. */
interface Ids {
  readonly id: string
  readonly root: string
  readonly parent: string | null
  readonly label: number
  readonly prev: Ids | null
}

type Tuple = [[string, unknown], [[string]][] | null]

const named = ([name, queue]: [string, string]): [string, { readonly queue: string }] => [name, { queue }]
