import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runInThisContext } from 'node:vm'
import { afterAll, expect, test } from 'vitest'
import { readParameters, withoutSelf } from '../../runtime/src/app/task-source.ts'
import { daily } from './fixtures/names/jobs/report.ts'

const folder = mkdtempSync(join(tmpdir(), 'tq-source-'))
afterAll(() => rmSync(folder, { recursive: true }))

type AnyFunction = (...args: never[]) => unknown

/** The function as Node makes it of TypeScript: types replaced by blanks. */
function compiled(expression: string): AnyFunction {
  const made: unknown = runInThisContext(stripTypeScriptTypes(`(${expression})`))
  if (typeof made !== 'function') throw new TypeError('expected the text of a function')
  return made as AnyFunction // what the text says
}

let files = 0

/** Reads the parameters of `app.task('m.t', <expression>)`, as it stands in a file and was loaded from there. */
function read(expression: string, { before = "'m.t', ", loaded = expression } = {}) {
  const file = join(folder, `${files++}.ts`)
  writeFileSync(
    file,
    `import { app } from './app.ts'\n\nexport const t = app.task(${before}${expression})\nconst after = 1\n`,
  )
  return readParameters(compiled(loaded), { file, line: 3, column: 22 })
}

test.each([
  ['(x: number, y: number): number => x + y', 'x: number, y: number', ['x', 'y'], 2, 2, ': number'],
  ['async (to: string): Promise<void> => {}', 'to: string', ['to'], 1, 1, ': Promise<void>'],
  ['function add(x: number, y: number): number { return x + y }', 'x: number, y: number', ['x', 'y'], 2, 2, ': number'],
  ['async function send(to: string) { return to }', 'to: string', ['to'], 1, 1, ''],
  ['function* rows(n: number) { yield n }', 'n: number', ['n'], 1, 1, ''],
  ['() => 1', '', [], 0, 0, ''],
  ['x => x', 'x', ['x'], 1, 1, ''],
  ['async x => x', 'x', ['x'], 1, 1, ''],
  ['<T>(value: T): T => value', 'value: T', ['value'], 1, 1, ': T'],
  ['function pick<T extends (n: number) => void>(value: T) { return value }', 'value: T', ['value'], 1, 1, ''],
  ['(a: string, b?: number) => a', 'a: string, b?: number', ['a', 'b'], 1, 2, ''],
  ["(a: string, b = 'x, y', c = fn(1, 2)) => a", "a: string, b = 'x, y', c = fn(1, 2)", ['a', 'b', 'c'], 1, 3, ''],
  ['(a: string, when: Date = new Date()) => a', 'a: string, when: Date = new Date()', ['a', 'when'], 1, 2, ''],
  ['(a: number = 1, b: number) => b', 'a: number = 1, b: number', ['a', 'b'], 2, 2, ''],
  [
    '(first: string, ...rest: number[]) => first',
    'first: string, ...rest: number[]',
    ['first', 'rest'],
    1,
    Infinity,
    '',
  ],
  [
    '({ to, cc }: { to: string; cc: string }, n: number) => n',
    '{ to, cc }: { to: string; cc: string }, n: number',
    ['{…}', 'n'],
    2,
    2,
    '',
  ],
  ['([a, b]: [number, number]) => a', '[a, b]: [number, number]', ['[…]'], 1, 1, ''],
  [
    '(fn: (n: number) => void, m: Map<string, number>) => m',
    'fn: (n: number) => void, m: Map<string, number>',
    ['fn', 'm'],
    2,
    2,
    '',
  ],
  [
    '(data: Record<string, unknown>, n?: number) => n',
    'data: Record<string, unknown>, n?: number',
    ['data', 'n'],
    1,
    2,
    '',
  ],
  ['<A, B>(a: A, b: B): Map<A, B> => new Map([[a, b]])', 'a: A, b: B', ['a', 'b'], 2, 2, ': Map<A, B>'],
  [
    '(n: number, isLess = n < 3, isMore = n > 4) => isLess',
    'n, isLess = n < 3, isMore = n > 4',
    ['n', 'isLess', 'isMore'],
    1,
    3,
    '',
  ],
  ['(a: number /* apples, ripe */, b: number) => a', 'a: number, b: number', ['a', 'b'], 2, 2, ''],
  ['(\n  a: number, // apples, (ripe)\n  b: number,\n) => a', 'a: number, b: number', ['a', 'b'], 2, 2, ''],
  ["(a: ')' | '(') => a", "a: ')' | '('", ['a'], 1, 1, ''],
  ["(a: 'x' | 'y' = 'x') => a", "a: 'x' | 'y' = 'x'", ['a'], 0, 1, ''],
  ['(a: `t${number}`) => a', 'a: `t${number}`', ['a'], 1, 1, ''],
  ['($el: string, _: number) => $el', '$el: string, _: number', ['$el', '_'], 2, 2, ''],
  [
    '(id: string): { id: string; n: number } => ({ id, n: 1 })',
    'id: string',
    ['id'],
    1,
    1,
    ': { id: string; n: number }',
  ],
  ['function f(id: string): { id: string } { return { id } }', 'id: string', ['id'], 1, 1, ': { id: string }'],
] as const)('%s', (expression, text, names, required, most, returns) => {
  expect(read(expression)).toEqual({ text, names, required, most, returns })
})

test('options in front of the function do not disturb', () => {
  const list = read('(self, url: string) => url', { before: "'m.t', { bind: true, throws: [A, B], queue: 'a)b' }, " })

  expect(list).toMatchObject({ text: 'self, url: string', names: ['self', 'url'] })
})

test('the first parameter of a bound task is not one of its callers', () => {
  const list = withoutSelf(read('(self: BoundTask<[string, number]>, url: string, n = 1): number => n'))

  expect(list).toEqual({ text: 'url: string, n = 1', names: ['url', 'n'], required: 1, most: 2, returns: ': number' })
})

test('a function defined elsewhere is read from its own text', () => {
  expect(read('imported', { loaded: '(a, b = 1) => a' })).toMatchObject({ text: 'a, b = 1', required: 1, most: 2 })
})

test('a file that has changed since it was loaded is not believed', () => {
  const list = read('(x: number, y: number, z: number) => x', { loaded: '(x, y) => x' })

  expect(list).toEqual({ text: 'x, y', names: ['x', 'y'], required: 2, most: 2, returns: '' })
})

test.each([
  ['a missing file', { file: '/nowhere/at-all.ts', line: 1, column: 1 }],
  ['a line behind the end', { file: join(folder, '0.ts'), line: 999, column: 1 }],
  ['no place at all', undefined],
])('with %s the function speaks for itself', (_, site) => {
  expect(readParameters(compiled('(x, y = 2) => x'), site)).toMatchObject({ text: 'x, y = 2', names: ['x', 'y'] })
})

test('a function without a readable text has as many parameters as it says, and takes more', () => {
  const list = readParameters(Math.max, undefined)

  const bound = readParameters(((a: number, b: number) => a + b).bind(null, 1), undefined)

  expect(bound).toMatchObject({ required: 1, most: Infinity })
  expect(list).toEqual({ text: 'arg0, arg1', names: ['arg0', 'arg1'], required: 2, most: Infinity, returns: '' })
})

test('a compiled comparison is not taken for a list of types', () => {
  const list = readParameters(compiled('(n,less=n<3,m)=>less'), undefined)

  expect(list).toMatchObject({ names: ['n', 'less', 'm'], required: 3, most: 3 })
})

test('a method is read like a function', () => {
  const { add } = {
    add(x: number, y = 1) {
      return x + y
    },
  }

  expect(readParameters(add, undefined)).toMatchObject({ names: ['x', 'y'], required: 1, most: 2 })
})

test('a task describes itself with the types of its source', () => {
  expect(daily.describe()).toEqual({
    name: 'proj.jobs.report.daily',
    params: ['day', 'rows'],
    signature: 'proj.jobs.report.daily(day: string, rows?: number): string',
    file: expect.stringMatching(/fixtures\/names\/jobs\/report\.ts$/),
    line: 3,
    queue: 'celery',
  })
})
