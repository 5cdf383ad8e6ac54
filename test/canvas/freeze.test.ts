import { expect, test } from 'vitest'
import { planOf } from '../../runtime/src/app/freeze.ts'
import type { SignatureData } from '../../runtime/src/core/signature.ts'
import { chain, chord, group } from '../../runtime/src/index.ts'
import { dictToSignature, signatureToDict } from '../../runtime/src/wire/canvas-dict.ts'
import { bench } from '../helpers/app.ts'

function steps() {
  const { app } = bench()
  const add = app.task('t.add', (x: number, y: number): number => x + y)
  const sum = app.task('t.sum', (xs: readonly number[]): number => xs.length)
  let made = 0
  const plan = (data: SignatureData) => planOf(data, { newId: () => `id-${made++}`, replyTo: 'me' })
  return { add, sum, plan }
}

test('the tasks that end the members of a header are counted and numbered in order', () => {
  const { add, sum, plan } = steps()
  const canvas = chord(
    [add.s(1, 1), chain(add.s(2, 2), add.s(3)), group(add.s(4, 4), add.s(5, 5)), chord([add.s(6, 6)], sum.s())],
    sum.s(),
  )

  const { calls, chords } = plan(canvas.data)

  expect(chords.map(({ size }) => size)).toEqual([1, 5])
  const outer = chords.at(-1)?.groupId
  const inner = chords[0]?.groupId
  const ends = calls.map(({ signature, chain: rest }) => (rest.at(-1) ?? signature).options)
  expect(ends.map(({ groupId, groupIndex }) => [groupId, groupIndex])).toEqual([
    [outer, 0],
    [outer, 1],
    [outer, 2],
    [outer, 3],
    [inner, 0],
  ])
  expect(ends.at(-1)?.chord?.options).toMatchObject({ groupId: outer, groupIndex: 4 })
})

test('a chord that is sent later holds its body once, and no group id yet', () => {
  const { add, sum, plan } = steps()

  const { calls, chords, joins } = plan(chain(add.s(1, 1), group(add.s(1), add.s(2)), sum.s()).data)

  const [later] = calls[0]?.chain ?? []
  expect({ chords, joins, kind: later?.kind }).toEqual({ chords: [], joins: true, kind: 'chord' })
  expect(later?.options.taskId).toBe(later?.headerOptions?.taskId)
  for (const { options } of later?.parts ?? []) {
    expect(options).toMatchObject({ taskId: expect.any(String), replyTo: 'me' })
    expect([options.groupId, options.chord]).toEqual([undefined, undefined])
  }
})

test('what is frozen keeps its ids when it is frozen again, also as JSON', () => {
  const { add, sum, plan } = steps()
  const canvas = chain(add.s(1, 1), group(add.s(1), chain(add.s(2), add.s(3))), sum.s(), group(add.s(4), add.s(5)))
  const [later] = plan(canvas.data).calls[0]?.chain ?? []
  if (!later) throw new Error('nothing follows')

  const again = plan(dictToSignature(JSON.parse(JSON.stringify(signatureToDict(later)))))
  const andAgain = plan(dictToSignature(JSON.parse(JSON.stringify(signatureToDict(later)))))

  expect(andAgain).toEqual(again)
  expect(again.chords).toMatchObject([{ groupId: later.headerOptions?.taskId, size: 2 }])
})

test('a chord is refused where the results cannot be counted, also as a later step', async () => {
  const { app } = bench({ resultBackend: 'disabled' })
  const add = app.task('t.add', (x: number, y: number): number => x + y)
  const sum = app.task('t.sum', (xs: readonly number[]): number => xs.length)

  await expect(chord([add.s(1, 1)], sum.s()).delay()).rejects.toMatchObject({ code: 'TQ_CHANNEL' })
  await expect(chain(add.s(1, 1), group(add.s(1)), sum.s()).delay()).rejects.toThrow('A chord needs a result backend')
})

test('skew staggers the members of a group', () => {
  const { add, plan } = steps()

  const { calls } = plan(group([1, 2, 3, 4].map((x) => add.s(x, x))).skew(1, 2.5, 0.5).data)

  expect(calls.map(({ signature }) => signature.options.countdown)).toEqual([1, 1.5, 2, 2.5])
})
