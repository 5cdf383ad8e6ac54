import type { EvalAnswer } from '../../../tui/src/repl/protocol.ts'

/** One conversation with the engine: what is typed, and what its last answer must be. */
export interface Case {
  readonly name: string
  readonly inputs: readonly string[]
  readonly expected: (answer: EvalAnswer, printed: string) => boolean
}

const textOf = (answer: EvalAnswer): string => ('text' in answer ? answer.text : '')
const errorOf = (answer: EvalAnswer): string | undefined => ('error' in answer ? answer.error.text : undefined)
const shows =
  (text: string) =>
  (answer: EvalAnswer): boolean =>
    errorOf(answer) === undefined && textOf(answer).includes(text)
const fails =
  (text: string) =>
  (answer: EvalAnswer): boolean =>
    errorOf(answer)?.includes(text) ?? false
const isUnfinished = (answer: EvalAnswer): boolean => 'incomplete' in answer
const isWrong = (answer: EvalAnswer): boolean => 'error' in answer && answer.error.kind === 'syntax'
const isFine = (answer: EvalAnswer): boolean => !('error' in answer) && !('incomplete' in answer)
const isShort = (answer: EvalAnswer): boolean => isFine(answer) && textOf(answer).length < 40_000

function entry(name: string, inputs: readonly string[], expected: Case['expected']): Case {
  return { name, inputs, expected }
}

export const cases: readonly Case[] = [
  entry('multi-line function', ['function f(a, b) {\n  return a +\n    b\n}', 'f(1, 2)'], shows('3')),
  entry('const redeclare', ['const c1 = 1', 'const c1 = 2', 'c1'], shows('2')),
  entry('let redeclare other kind', ['let l1 = 1', 'const l1 = 5', 'l1'], shows('5')),
  entry('class redefinition', ['class K { v = 1 }', 'class K { v = 2 }', 'new K().v'], shows('2')),
  entry('await at top', ['await Promise.resolve(7)'], shows('7')),
  entry('const from await kept', ['const aw = await Promise.resolve(8)', 'aw + 1'], shows('9')),
  entry(
    'await in nested arrow',
    ['const go = async () => { const v = await Promise.resolve(3); return v * 2 }', 'await go()'],
    shows('6'),
  ),
  entry('await inside call args', ['Math.max(await 1, await 5)'], shows('5')),
  entry('import named from .ts', ["import { x, area } from './a.ts'", 'area({ w: x })'], shows('1764')),
  entry(
    'import default + as + star',
    ["import d, { x as y } from './a.ts'\nimport * as all from './a.ts'", '[d, y, Object.keys(all).length]'],
    shows("[ 'default-export', 42, 3 ]"),
  ),
  entry('import of a missing name is an error', ["import { nope } from './a.ts'"], fails('nope')),
  entry('import type erased', ["import type { Shape } from './a.ts'", '1'], shows('1')),
  entry('dynamic import bare', ["(await import('node:os')).EOL.length"], shows('1')),
  entry('dynamic import relative', ["(await import('./a.ts')).x"], shows('42')),
  entry('interface only', ['interface P { a: number }\ninterface Q extends P {}', '5'], shows('5')),
  entry(
    'type annotations + generics + satisfies',
    ['const id = <T,>(v: T): T => v; const n: number = id<number>(4); (n as number) satisfies number'],
    shows('4'),
  ),
  entry('object literal at start', ["{ a: 1, 'b': [2] }"], shows('{ a: 1, b: [ 2 ] }')),
  entry('block at start stays a block', ['{ let q = 1; q + 1 }'], shows('2')),
  entry('syntax error', ['const = 3'], isWrong),
  entry('syntax error position line 2', ['const ok = 1\nlet let = = 2'], (a) => 'error' in a && a.error.line === 2),
  entry('unfinished: brace', ['function g() {'], isUnfinished),
  entry('unfinished: paren', ['add(1,'], isUnfinished),
  entry('unfinished: template', ['`abc ${1}'], isUnfinished),
  entry('unfinished: template hole', ['`abc ${'], isUnfinished),
  entry('unfinished: block comment', ['/* hello'], isUnfinished),
  entry('unfinished: trailing operator', ['1 +'], isUnfinished),
  entry('unfinished: object literal', ['{ a: 1,'], isUnfinished),
  entry('unfinished: array', ['[1, 2,'], isUnfinished),
  entry('unfinished: ts generic', ['const m: Map<string,'], isUnfinished),
  entry('not unfinished: unterminated string', ["'abc"], isWrong),
  entry('not unfinished: extra brace', ['foo(1))'], isWrong),
  entry('console.log', ["console.log('hello', 1); 2"], (a, printed) => shows('2')(a) && printed.includes('hello 1')),
  entry('a promise is awaited', ['Promise.resolve(1)'], (a) => textOf(a) === '1'),
  entry('thrown error', ["throw new TypeError('bad')"], fails('TypeError: bad')),
  entry('thrown non-error', ["throw 'text'"], fails('text')),
  entry('huge array', ['Array.from({ length: 1e6 }, (_, i) => i)'], (a) => isShort(a) && shows('more items')(a)),
  entry('huge object', ['Object.fromEntries(Array.from({ length: 2e5 }, (_, i) => ["k" + i, i]))'], isShort),
  entry('huge string', ["'x'.repeat(5e6)"], isShort),
  entry('circular', ['const o1 = { n: 1 }; o1.self = o1; o1'], shows('[Circular *1]')),
  entry('Symbol', ["Symbol('s')"], shows('Symbol(s)')),
  entry('BigInt', ['2n ** 70n'], shows('1180591620717411303424n')),
  entry('NaN / -0', ['[NaN, -0, Infinity]', '-0'], shows('-0')),
  entry('undefined', ['undefined'], shows('undefined')),
  entry('comments only', ['// nothing here'], isFine),
  entry('empty', ['   '], isFine),
  entry('template literal', ['`a${1 + 1}b`'], shows('a2b')),
  entry('regex literal', ['/[/{]+/gu.exec("{/")[0]'], shows('{/')),
  entry(
    'decorator (TC39)',
    ['function dec(v, c) { return v }\n@dec class D { m() { return 3 } }', 'new D().m()'],
    shows('3'),
  ),
  entry('enum', ['enum E { A = 1, B }', 'E.B'], shows('2')),
  entry('namespace', ['namespace NS { export const v = 11 }', 'NS.v'], shows('11')),
  entry(
    'using',
    ["{ using r = { [Symbol.dispose]() { console.log('disposed') } }; 1 }"],
    (a, printed) => isFine(a) && printed.includes('disposed'),
  ),
  entry(
    'await using',
    ["{ await using r = { async [Symbol.asyncDispose]() { console.log('adisposed') } }; 1 }"],
    (a, printed) => isFine(a) && printed.includes('adisposed'),
  ),
  entry(
    'for await top level',
    ['let sum = 0; for await (const v of [1, Promise.resolve(2)]) sum += v\nsum'],
    shows('3'),
  ),
  entry('generator', ['function* gen() { yield 1; yield 2 }', '[...gen()]'], shows('[ 1, 2 ]')),
  entry('async generator', ['async function* ag() { yield 5 }', '(await ag().next()).value'], shows('5')),
  entry('getter not run by printing', ["({ get boom() { throw new Error('x') } })"], shows('[Getter]')),
  entry(
    'proxy printing',
    ["new Proxy({}, { get() { throw new Error('trap') }, ownKeys() { throw new Error('trap2') } })"],
    shows('Proxy'),
  ),
  entry('static import inside string untouched', ['"import { x } from \'./a.ts\'".length'], shows('26')),
  entry('import inside template untouched', ["`\nimport { x } from './a.ts'\n`.length"], shows('28')),
  entry('label/export pasted', ['export const pasted = 1', 'pasted'], shows('1')),
  entry(
    'error has frame of the repl',
    ['function thrower() {\n  throw new Error("deep")\n}\nthrower()'],
    fails('repl'),
  ),
  entry('strict-mode this', ['this === globalThis'], shows('true')),
  entry('var is global', ['var vv = 3', 'globalThis.vv'], shows('3')),
]
