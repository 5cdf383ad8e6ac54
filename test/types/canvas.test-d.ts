// Compiled by `tsc -p test`, never run: a wrong inference fails `equal`, a call that ought to be refused fails `@ts-expect-error`.
import type { AsyncResult, GroupResult, Signature } from '../../runtime/src/index.ts'
import { chain, chord, group, Tq } from '../../runtime/src/index.ts'

type Equal<X, Y> = (<T>() => T extends X ? 1 : 2) extends <T>() => T extends Y ? 1 : 2 ? true : false
const equal = <T extends true>(): T | undefined => undefined

export const app = new Tq('proj', { broker: 'memory://' })
export const add = app.task('tasks.add', (x: number, y: number) => x + y)
export const upper = app.task('tasks.upper', async (text: string) => text.toUpperCase())
export const sum = app.task('tasks.sum', (xs: readonly number[]) => xs.reduce((a, b) => a + b, 0))
export const pair = app.task('tasks.pair', (both: readonly [number, string]) => both.length > 0)

// --- groups -------------------------------------------------------------------------------------------------------

export const mixed = group(add.s(1, 1), upper.s('a'))
equal<Equal<typeof mixed, Signature<[], [number, string], GroupResult<[number, string]>>>>()
export const listed = group([1, 2].map((x) => add.s(x, x)))
equal<Equal<typeof listed, Signature<[], number[], GroupResult<number[]>>>>()
equal<Equal<ReturnType<typeof mixed.delay>, Promise<GroupResult<[number, string]>>>>()
export const nested = group(add.s(1, 1), mixed)
equal<Equal<typeof nested, Signature<[], [number, number, string], GroupResult<[number, number, string]>>>>()
export const owing = group(add.s(1), add.s(1, 1))
equal<Equal<typeof owing, Signature<[x: number], [number, number], GroupResult<[number, number]>>>>()
// @ts-expect-error a member still owes an argument
void owing.delay()
void owing.delay(1)
// @ts-expect-error one member wants a number, the other a string
void group(add.s(1), upper.s()).delay(1)

// --- chords -------------------------------------------------------------------------------------------------------

export const total = chord(
  [1, 2].map((x) => add.s(x, x)),
  sum.s(),
)
equal<Equal<typeof total, Signature<[], number>>>()
equal<Equal<ReturnType<typeof total.delay>, Promise<AsyncResult<number>>>>()
export const piped = mixed.pipe(pair.s())
equal<Equal<typeof piped, Signature<[], boolean>>>()
export const ofGroup = chord(mixed, pair.s())
equal<Equal<typeof ofGroup, Signature<[], boolean>>>()
export const bodyGroup = chord([add.s(1, 1)], group(sum.s(), sum.s()))
equal<Equal<typeof bodyGroup, Signature<[], [number, number], GroupResult<[number, number]>>>>()
// @ts-expect-error the body wants numbers, the header gives strings
chord([upper.s('a')], sum.s())
// @ts-expect-error the body wants numbers, the group gives a string too
mixed.pipe(sum.s())

// --- chains with groups -------------------------------------------------------------------------------------------

export const middle = chain(add.s(1, 1), group(add.s(1), add.s(2)), sum.s())
equal<Equal<typeof middle, Signature<[], number>>>()
export const end = chain(add.s(1, 1), group(add.s(1), add.s(2)))
equal<Equal<typeof end, Signature<[], [number, number], GroupResult<[number, number]>>>>()
// @ts-expect-error the members want a string, the step before gives a number
chain(add.s(1, 1), group(upper.s()))

// --- many calls in one --------------------------------------------------------------------------------------------

export const mapped = upper.map(['a', 'b'])
equal<Equal<typeof mapped, Signature<[], string[]>>>()
export const starmapped = add.starmap([[1, 2]])
equal<Equal<typeof starmapped, Signature<[], number[]>>>()
export const chunked = add.chunks([[1, 2]], 10)
equal<Equal<typeof chunked, Signature<[], number[][], GroupResult<number[][]>>>>()
// @ts-expect-error items of the wrong kind
add.starmap([['a', 'b']])

// --- replacing ----------------------------------------------------------------------------------------------------

app.task('tasks.outer', { bind: true }, (self) => self.replace(add.s(1, 1)))
// @ts-expect-error what replaces a task owes nothing
app.task('tasks.owing', { bind: true }, (self) => self.replace(add.s(1)))
