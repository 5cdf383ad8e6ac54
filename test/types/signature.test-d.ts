// Compiled by `tsc -p test`, never run: a wrong inference fails `equal`, a call that ought to be refused fails `@ts-expect-error`.
import type { AsyncResult, GroupResult, Signature, Stamps } from '../../runtime/src/index.ts'
import { chain, group, Tq } from '../../runtime/src/index.ts'

type Equal<X, Y> = (<T>() => T extends X ? 1 : 2) extends <T>() => T extends Y ? 1 : 2 ? true : false
const equal = <T extends true>(): T | undefined => undefined

const app = new Tq('proj', { broker: 'memory://' })
const add = app.task('tasks.add', (x: number, y: number) => x + y)
const mix = app.task('tasks.mix', (x: number, text: string, flag: boolean) => `${x}${text}${flag}`)

// --- what a partial call owes -------------------------------------------------------------------------------------

const owesTwo = mix.s(true)
equal<Equal<typeof owesTwo, Signature<[x: number, text: string], string>>>()
const owesOne = owesTwo.clone(['a'])
equal<Equal<typeof owesOne, Signature<[x: number], string>>>()
const owesNone = owesTwo.clone([1, 'a'])
equal<Equal<typeof owesNone, Signature<[], string>>>()
const same = owesTwo.clone()
equal<Equal<typeof same, typeof owesTwo>>()
// @ts-expect-error it owes a number and a text, in this order
owesTwo.clone([true])
// @ts-expect-error a link that does not fit: the step before gives a text
chain(mix.s(1, 'a', true), add.s(1))

// --- what changes nothing of the types ----------------------------------------------------------------------------

const stamped = owesTwo.stamp({ order: 17 }, { appendStamps: true })
equal<Equal<typeof stamped, typeof owesTwo>>()
const frozen = group(add.s(1, 1), mix.s(1, 'a', true)).freeze()
equal<Equal<typeof frozen.result, GroupResult<[number, string]>>>()
equal<Equal<typeof frozen.signature, Signature<[], [number, string], GroupResult<[number, string]>>>>()
const applied = add.s(1).apply(2)
equal<Equal<typeof applied, Promise<AsyncResult<number>>>>()
// @ts-expect-error it still owes an argument
void add.s(1).apply()
const stamps: Stamps = { any: ['thing'] }
add.s(1, 1).stamp(stamps)
// @ts-expect-error no method of a visitor is called so
add.s(1, 1).stamp({}, { visitor: { onTask: () => ({}) } })
