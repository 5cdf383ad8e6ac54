import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { chain, chord, group, type Signature, type Task, Tq } from '../../runtime/src/index.ts'
import { temporaryFolder } from '../helpers/project.ts'
import { requireService, startRedis } from '../helpers/services.ts'
import { waitFor } from '../helpers/wait.ts'

/** The tasks of the table. Ids are given, so that the table can name every step. */
interface Steps {
  readonly ok: (id: string) => Signature<[], number>
  readonly fails: (id: string) => Signature<[], number>
  readonly unknown: (id: string) => Signature<[], number>
  readonly next: (id: string) => Signature<[unknown], number>
  readonly failsNext: (id: string) => Signature<[unknown], number>
  readonly errback: (name: string) => Signature<[string], unknown>
  readonly inline: Task<[request: { id: string; task: string }, error: Error, traceback: string], unknown>
}

interface Row {
  readonly what: string
  readonly make: (s: Steps) => Signature<[], unknown, unknown>
  /** Id to state, or to the stored error. */
  readonly ends: Readonly<Record<string, string>>
  /** What `get()` of the last result rejects with; undefined where it gives a value. */
  readonly rejects?: string
  /** `errback:id` for each call, in any order. */
  readonly errbacks?: readonly string[]
  readonly onHeader?: true
  /** Where Celery does otherwise. */
  readonly celery?: string
}

const rows: readonly Row[] = [
  {
    what: 'A task fails',
    make: (s) => s.fails('a').link(s.next('l')).linkError(s.errback('e')),
    ends: { a: 'TypeError', l: 'PENDING' },
    rejects: 'TypeError',
    errbacks: ['e:a'],
  },
  {
    what: 'A callback fails',
    make: (s) => s.ok('a').link(s.failsNext('l')).linkError(s.errback('e')),
    ends: { a: 'SUCCESS', l: 'TypeError' },
  },
  {
    what: 'A chain step fails',
    make: (s) => chain(s.ok('a'), s.failsNext('b'), s.next('c'), s.next('d')).linkError(s.errback('e')),
    ends: { a: 'SUCCESS', b: 'TypeError', c: 'TypeError', d: 'TypeError' },
    rejects: 'TypeError',
    errbacks: ['e:b'],
  },
  {
    what: 'A group member fails',
    make: (s) => group(s.ok('a'), s.fails('b'), s.ok('c')).linkError(s.errback('e')),
    ends: { a: 'SUCCESS', b: 'TypeError', c: 'SUCCESS' },
    rejects: 'TypeError',
    errbacks: ['e:b'],
  },
  {
    what: 'A header part fails',
    make: (s) => chord([s.ok('a'), s.fails('b'), s.ok('c')], s.next('body')).linkError(s.errback('e')),
    ends: { a: 'SUCCESS', b: 'TypeError', c: 'SUCCESS', body: 'ChordError' },
    rejects: 'ChordError',
    errbacks: ['e:body'],
  },
  {
    what: 'A header part fails, with taskAllowErrorCbOnChordHeader',
    celery: '5.6: the callbacks of the header are immutable, they get no id; 5.2 has no such setting.',
    make: (s) => chord([s.ok('a'), s.fails('b'), s.ok('c')], s.next('body')).linkError(s.errback('e')),
    ends: { a: 'SUCCESS', b: 'TypeError', c: 'SUCCESS', body: 'ChordError' },
    rejects: 'ChordError',
    errbacks: ['e:b', 'e:body'],
    onHeader: true,
  },
  {
    what: 'Two header parts fail',
    make: (s) =>
      chord([s.fails('a'), s.fails('b').linkError(s.errback('own'))], s.next('body').linkError(s.errback('e'))),
    ends: { a: 'TypeError', b: 'TypeError', body: 'ChordError' },
    rejects: 'ChordError',
    errbacks: ['e:body', 'own:b'],
  },
  {
    what: 'A header part has no such task',
    celery: '5.2: the body waits for ever.',
    make: (s) => chord([s.ok('a'), s.unknown('b')], s.next('body').linkError(s.errback('e'))),
    ends: { a: 'SUCCESS', b: 'NotRegistered', body: 'ChordError' },
    rejects: 'ChordError',
    errbacks: ['e:body'],
  },
  {
    what: 'A header part has expired',
    make: (s) => chord([s.ok('a'), s.ok('b').set({ expiresMs: 1 })], s.next('body').linkError(s.errback('e'))),
    ends: { a: 'SUCCESS', b: 'REVOKED', body: 'ChordError' },
    rejects: 'ChordError',
    errbacks: ['e:body'],
  },
  {
    what: 'A chain in the header fails before its last step',
    make: (s) => chord([chain(s.fails('a'), s.next('b')), s.ok('c')], s.next('body').linkError(s.errback('e'))),
    ends: { a: 'TypeError', b: 'TypeError', c: 'SUCCESS', body: 'ChordError' },
    rejects: 'ChordError',
    errbacks: ['e:body'],
  },
  {
    what: 'A chain in the header expires before its last step',
    celery: '5.2 and 5.6: the chord is not told, `b` and the body wait for ever.',
    make: (s) => chord([chain(s.ok('a').set({ expiresMs: 1 }), s.next('b')), s.ok('c')], s.next('body')),
    ends: { a: 'REVOKED', b: 'REVOKED', c: 'SUCCESS', body: 'ChordError' },
    rejects: 'ChordError',
  },
  {
    what: 'A body fails',
    make: (s) => chord([s.ok('a'), s.ok('b')], s.failsNext('body')).linkError(s.errback('e')),
    ends: { a: 'SUCCESS', b: 'SUCCESS', body: 'TypeError' },
    rejects: 'TypeError',
    errbacks: ['e:body'],
  },
  {
    what: 'A header part fails, the body is a chain',
    celery: '5.6: only the last step has a result; 5.2: none has, and the callback gets no id.',
    make: (s) => chord([s.fails('a')], chain(s.next('b'), s.next('c')).linkError(s.errback('e'))),
    ends: { a: 'TypeError', b: 'ChordError', c: 'ChordError' },
    rejects: 'ChordError',
    errbacks: ['e:c'],
  },
  {
    what: 'A header part fails, the body is a group',
    celery: '5.6 stores the part’s own error and revokes the members; 5.2 leaves them PENDING and calls nobody.',
    make: (s) => chord([s.fails('a')], group(s.next('b'), s.next('c')).linkError(s.errback('e'))),
    ends: { a: 'TypeError', b: 'ChordError', c: 'ChordError' },
    rejects: 'ChordError',
    errbacks: ['e:b', 'e:c'],
  },
  {
    what: 'A step before a chord fails',
    celery: '5.6 fails the body and leaves the header PENDING; 5.2 leaves both PENDING.',
    make: (s) => chain(s.fails('a'), group(s.next('b'), s.next('c')), s.next('body')).linkError(s.errback('e')),
    ends: { a: 'TypeError', b: 'TypeError', c: 'TypeError', body: 'TypeError' },
    rejects: 'TypeError',
    errbacks: ['e:a'],
  },
  {
    what: 'A header part of a chord in a header fails',
    celery: '5.2 and 5.6: the outer chord is not told, its body waits for ever.',
    make: (s) =>
      chord(
        [s.ok('a'), chord([s.fails('b'), s.ok('c')], s.next('inner').linkError(s.errback('i')))],
        s.next('body').linkError(s.errback('e')),
      ),
    ends: { a: 'SUCCESS', b: 'TypeError', c: 'SUCCESS', inner: 'ChordError', body: 'ChordError' },
    rejects: 'ChordError',
    errbacks: ['e:body', 'i:inner'],
  },
  {
    what: 'A body of a chord in a header fails',
    make: (s) => chord([s.ok('a'), chord([s.ok('b')], s.failsNext('inner'))], s.next('body').linkError(s.errback('e'))),
    ends: { a: 'SUCCESS', b: 'SUCCESS', inner: 'TypeError', body: 'ChordError' },
    rejects: 'ChordError',
    errbacks: ['e:body'],
  },
  {
    what: 'A chain in the header ends in a group, and a member of that fails',
    make: (s) =>
      chord(
        [chain(s.ok('a'), group(s.next('b'), s.failsNext('c'))), s.ok('d')],
        s.next('body').linkError(s.errback('e')),
      ),
    ends: { a: 'SUCCESS', b: 'SUCCESS', c: 'TypeError', d: 'SUCCESS', body: 'ChordError' },
    rejects: 'ChordError',
    errbacks: ['e:body'],
  },
  {
    what: 'A chain in the header fails before the chord that it ends in',
    celery: '5.6 as here; in 5.2 `b`, `c` and `inner` stay PENDING, and the outer body waits for ever.',
    make: (s) =>
      chord(
        [chain(s.fails('a'), group(s.next('b'), s.next('c')), s.next('inner')), s.ok('d')],
        s.next('body').linkError(s.errback('e')),
      ),
    ends: { a: 'TypeError', b: 'TypeError', c: 'TypeError', inner: 'TypeError', d: 'SUCCESS', body: 'ChordError' },
    rejects: 'ChordError',
    errbacks: ['e:body'],
  },
  {
    what: 'A task fails whose error callback takes the request',
    // It takes (request, error, traceback), which no signature of arguments says.
    make: (s) => s.fails('a').linkError(s.inline.s() as never),
    ends: { a: 'TypeError' },
    rejects: 'TypeError',
    errbacks: ['inline:a:t.fails:TypeError'],
  },
]

test('the documentation has this very table', () => {
  const documented = readFileSync(new URL('../../runtime/docs/canvas-errors.md', import.meta.url), 'utf8')

  const lines = documented.split('\n').filter((text) => text.startsWith('| '))
  expect(lines.slice(2)).toEqual(rows.map(line))
})

function line({ what, ends, rejects, errbacks = [], celery = '' }: Row): string {
  const states = Object.entries(ends).map(([id, state]) => `\`${id}\` ${state}`)
  const calls = errbacks.map((call) => `\`${call}\``)
  const cells = [what, states.join(', '), rejects ?? 'a value', calls.join(', '), celery]
  return `| ${cells.join(' | ')} |`.replaceAll('  ', ' ')
}

for (const [name, urlOf] of [
  ['memory', async () => 'memory://'],
  ['memory, eagerly', async () => 'memory://'],
  ['SQLite', async () => `sqlite://${join(temporaryFolder(), 'tq.db')}`],
  ['Redis', async () => (await startRedis()).url],
] as const) {
  describe.skipIf(name === 'Redis' && !requireService('redis'))(`on ${name}`, () => {
    for (const row of rows) {
      test(row.what, async () => {
        const url = await urlOf()
        const { app, steps, calls } = table(url, row.onHeader)
        if (name === 'memory, eagerly') app.eager = true
        else await app.startWorker({ hostname: 'w1@test' })

        const result = await app.sendSignature<{ get(options: object): Promise<unknown> }>(row.make(steps).data)
        const ended = await result.get({ timeout: 10 }).then(
          () => undefined,
          (error: unknown) => (error as { readonly type?: string }).type,
        )

        expect(ended).toBe(row.rejects)
        const state = async (id: string): Promise<string> => {
          const meta = await app.result(id).meta()
          return meta?.state === 'FAILURE' ? (meta.error?.type ?? 'FAILURE') : (meta?.state ?? 'PENDING')
        }
        const ends = async (): Promise<Record<string, string>> =>
          Object.fromEntries(await Promise.all(Object.keys(row.ends).map(async (id) => [id, await state(id)] as const)))
        await waitFor(async () => JSON.stringify(await ends()) === JSON.stringify(row.ends), { what: 'the states' })
        expect(await ends()).toEqual(row.ends)
        const wanted = row.errbacks ?? []
        await waitFor(() => calls.length >= wanted.length, { what: 'the error callbacks' })
        expect(calls.toSorted()).toEqual(wanted)
      })
    }
  })
}

function table(url: string, onHeader = false): { app: Tq; steps: Steps; calls: string[] } {
  const logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }
  const app = new Tq('table', { broker: url, backend: url, taskAllowErrorCbOnChordHeader: onHeader, logger })
  onTestFinished(() => app.close())
  const calls: string[] = []
  const ok = app.task('t.ok', (..._: unknown[]): number => 1)
  const fails = app.task('t.fails', (..._: unknown[]): number => {
    throw new TypeError('boom')
  })
  const errback = app.task('t.errback', (id: string, name: string): number => calls.push(`${name}:${id}`))
  const inline = app.task(
    't.inline',
    { errback: 'request' },
    (request: { id: string; task: string }, error: Error, traceback: string): unknown => {
      const [type] = error.message.split(':')
      return calls.push(`inline:${request.id}:${request.task}:${traceback.includes('boom') ? type : 'no traceback'}`)
    },
  )
  const given = (task: string) => (id: string) =>
    app.signature(task).set({ taskId: id }) as unknown as Signature<[unknown], number>
  const whole = (task: string) => (id: string) => given(task)(id) as unknown as Signature<[], number>
  const steps: Steps = {
    ok: whole(ok.taskName),
    fails: whole(fails.taskName),
    unknown: whole('t.unknown'),
    next: given(ok.taskName),
    failsNext: given(fails.taskName),
    errback: (name) => errback.s(name),
    inline,
  }
  return { app, steps, calls }
}
