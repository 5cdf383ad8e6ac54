import { describe, expect, test } from 'vitest'
import { swapDeclaration, translate } from '../../../tui/src/repl/translate.ts'

describe('translate', () => {
  test('keeps lines and columns', async () => {
    const input = 'interface A { x: number }\nconst a: A = { x: 1 }\nfoo(a as A)'

    const { js } = await ready(input)

    expect(js.split('\n').map((line) => line.length)).toEqual(input.split('\n').map((line) => line.length))
    expect(js.indexOf('foo')).toBe(input.indexOf('foo'))
  })

  test.each([
    ["import './a.ts'", 'await tq$.import("./a.ts", []);'],
    ["import d from 'm'", 'var { "default": d } = await tq$.import("m", ["default"]);'],
    ["import * as all from 'm'", 'var all = await tq$.import("m", []);'],
    [
      "import d, { x as y, z } from 'm'",
      'var { "default": d, "x": y, "z": z } = await tq$.import("m", ["default","x","z"]);',
    ],
    ["import { 'a-b' as ab } from 'm'", 'var { "a-b": ab } = await tq$.import("m", ["a-b"]);'],
    [
      "import j from './j.json' with { type: 'json' }",
      'var { "default": j } = await tq$.import("./j.json", ["default"], {"type":"json"});',
    ],
  ])('%s becomes an awaited call', async (input, js) => {
    expect((await ready(input)).js).toBe(js)
  })

  test('an import over several lines leaves the lines after it where they were', async () => {
    const { js } = await ready("import {\n  x,\n  y,\n} from 'm'\nx")

    expect(js.split('\n')[4]).toBe('x')
  })

  test('blanks exports and keeps what they declare', async () => {
    const { js } = await ready('export const a = 1\nexport default a\nexport { a }')

    expect(js).toBe(`${' '.repeat(7)}const a = 1\n${' '.repeat(15)}a\n${' '.repeat(12)}`)
  })

  test.each([
    ['add.delay(2, 2)', true],
    ['await add.delay(2, 2)', true],
    ['add.delay(2, 2);', false],
    ['add.delay(2, 2); // why not', false],
    ['r = await add.delay(2, 2)', false],
    ['r ??= await add.delay(2, 2)', false],
    ['const r = await add.delay(2, 2)', false],
    ['const x = 2\nadd.delay(x, x)', true],
    ['const x = 2; add.delay(x, x)', true],
    ['items.map((x = 1) => x); add.delay(2, 2)', true],
    ['chain(\n  add.s(1, 1),\n  add.s(2),\n)\n  .delay()', true],
  ])('%s is followed: %s', async (input, follow) => {
    expect((await ready(input)).follow).toBe(follow)
  })

  test.each([
    'foo(x!)',
    'const m: Array<Map<string, number>> = []',
    'const f = (s?: string) => s',
    'x!',
    '`a${`b${1}`}`',
  ])('%s is finished', async (input) => {
    expect((await translate(input)).kind).toBe('ready')
  })

  test.each(['foo(', 'const f = () => {', 'a ??', '`x', '/*', 'class A {\n  m() {', 'x = [1,\n2,'])(
    '%s is unfinished',
    async (input) => {
      expect((await translate(input)).kind).toBe('unfinished')
    },
  )

  test.each(['foo)', "const s = 'abc", 'const = 3', 'if (x) }', 'let let = 1', 'foo( ]'])(
    '%s is wrong',
    async (input) => {
      expect((await translate(input)).kind).toBe('wrong')
    },
  )

  test('a mistake is shown with its line and a caret', async () => {
    expect(await translate('const ok = 1\nconst = 2')).toMatchObject({
      line: 2,
      column: 7,
      text: expect.stringMatching(/\nconst = 2\n {6}\^$/u) as unknown,
    })
  })

  test('decorators without the means to lower them are refused by name', async () => {
    expect(await translate('@dec class A {}')).toMatchObject({
      kind: 'wrong',
      text: expect.stringContaining('decorators') as unknown,
    })
  })

  test('swaps const and let of the declaration that clashes, no other', () => {
    expect(swapDeclaration('let a = 1; const b = 2', 'b')).toBe('let a = 1; let b = 2')
    expect(swapDeclaration('let a = 1; const b = 2', 'a')).toBe('const a = 1; const b = 2')
    expect(swapDeclaration('foo(a)', 'a')).toBeUndefined()
  })
})

async function ready(input: string): Promise<{ readonly js: string; readonly follow: boolean }> {
  const translation = await translate(input)
  if (translation.kind !== 'ready') throw new Error(JSON.stringify(translation))
  return translation
}
