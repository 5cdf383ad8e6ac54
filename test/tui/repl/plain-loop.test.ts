import { Writable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { linesOf, PlainLoop } from '../../../tui/src/repl/plain-loop.ts'
import type { StartOptions } from '../../../tui/src/repl/protocol.ts'
import { withFixtureApp } from '../helpers/start.ts'

describe('piped input', () => {
  test('prints the value of a task and nothing else', async () => {
    expect(await piped('add.delay(2, 2)\n')).toMatchObject({ code: 0, out: '4\n' })
  })

  test('says on stderr how the task went and that a worker was started', async () => {
    const { err } = await piped('add.delay(2, 2)\n')

    expect(err).toContain('worker w1 started (ephemeral)')
    expect(err).toMatch(/\d ms · worker w1 · [0-9a-f]{6}/u)
  })

  test.each([
    ['an awaited call', 'await add.delay(2, 2)'],
    ['the last result', 'add.delay(2, 2);\nawait _'],
    ['the value in code', 'const r = await add.delay(2, 2)\nawait r.get()'],
    ['a last line without a newline', 'add.delay(1, 3)'],
  ])('prints 4 for %s', async (_name, input) => {
    expect(await piped(input)).toMatchObject({ code: 0, out: '4\n' })
  })

  test.each([
    ['a trailing semicolon', 'add.delay(2, 2);'],
    ['an assignment', 'r = await add.delay(2, 2)'],
    ['a declaration', 'const r = await add.delay(2, 2)'],
  ])('does not follow %s', async (_name, input) => {
    expect(await piped(input)).toMatchObject({ code: 0, out: '' })
  })

  test('a failed task gives its error on stderr and exit code 3', async () => {
    const { code, out, err } = await piped('fail.delay(7)\n1 + 1\n')

    expect({ code, out }).toEqual({ code: 3, out: '' })
    expect(err).toContain('RangeError: no 7')
  })

  test('a thrown error ends the run with exit code 1', async () => {
    expect(await piped('1\nthrow new TypeError("bad")\n2\n')).toMatchObject({ code: 1, out: '1\n' })
  })

  test('a wrong number of arguments is told without the frame of the input', async () => {
    const { code, err } = await piped('add.delay(2)')

    expect(code).toBe(1)
    expect(err).toContain('ArgumentError: expected 2 arguments (x: number, y: number), got 1')
    expect(err).not.toContain('repl:')
  })

  test('lines of one block are gathered', async () => {
    expect(await piped('function twice(\n  x: number,\n) {\n  return 2 * x\n}\n\ntwice(4)\n')).toMatchObject({
      out: '8\n',
    })
  })

  test('a block that is never closed is an error', async () => {
    expect(await piped('function f() {\n')).toMatchObject({ code: 1, out: '' })
  })

  test('what user code prints comes before its value', async () => {
    expect(await piped('for (let i = 0; i < 3; i++) console.log("line", i); "done"')).toMatchObject({
      out: "line 0\nline 1\nline 2\n'done'\n",
    })
  })

  test('what modules print while they are loaded goes to stderr', async () => {
    const { out, err } = await piped('1')

    expect(out).toBe('1\n')
    expect(err).toContain('printed while loading')
  })

  test('process.exit ends the run with its code', async () => {
    expect(await piped('process.exit(7)\n1')).toMatchObject({ code: 7, out: '' })
  })

  test('commands work: a question, .tasks and .as cli', async () => {
    const { out } = await piped("add?\n.tasks\nawait add.delay(2, 2)\n.as cli\n.exit\n'not reached'")

    expect(out.split('\n')).toEqual([
      'math.add(x: number, y: number): number        src/math.ts:7   queue celery',
      'add    math.add(x: number, y: number): number  src/math.ts:7  celery',
      'fail   math.fail(x: number): number            src/math.ts:7  celery',
      'never  math.never(): number                    src/math.ts:7  celery',
      '4',
      "npx tq call math.add --args '[2,2]' --wait",
      '',
    ])
  })

  test('an unknown command is an error with a suggestion', async () => {
    const { code, err } = await piped('.exti')

    expect(code).toBe(1)
    expect(err).toContain("There is no command '.exti'. Did you mean .exit?")
  })

  test('an app that was asked for and cannot be loaded is an error', async () => {
    const { code, err } = await piped('1', withFixtureApp({ app: 'nowhere.ts', loader: 'file:///nowhere/loader.ts' }))

    expect(code).toBe(1)
    expect(err).toContain('/nowhere/loader.ts')
  })
})

async function piped(
  input: string,
  start: StartOptions = withFixtureApp(),
): Promise<{ readonly code: number; readonly out: string; readonly err: string }> {
  const stdout = new Collected()
  const stderr = new Collected()
  const loop = new PlainLoop({ stdout, stderr, colours: false, width: 80, interactive: false })
  const code = await loop.run(start, linesOf(chunks(input)))
  return { code, out: stdout.text, err: stderr.text }
}

async function* chunks(text: string): AsyncGenerator<Uint8Array> {
  const bytes = new TextEncoder().encode(text)
  // Cut where it hurts: in the middle of lines and characters.
  for (let at = 0; at < bytes.length; at += 7) yield await Promise.resolve(bytes.slice(at, at + 7))
}

class Collected extends Writable {
  text = ''

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString('utf8')
    done()
  }
}
