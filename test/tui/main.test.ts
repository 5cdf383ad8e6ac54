import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { fixtures } from './helpers/start.ts'

const entry = fileURLToPath(new URL('repl/fixtures/tq-tui.ts', import.meta.url))

interface Run {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

/** The command as a child process without a terminal. */
function tqTui(
  args: readonly string[],
  input = '',
  onOutput?: (kill: (signal: NodeJS.Signals) => void) => void,
): Promise<Run> {
  const child = spawn(process.execPath, ['--conditions=@tq/source', entry, ...args], { cwd: fixtures })
  let out = ''
  let err = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text
    onOutput?.((signal) => child.kill(signal))
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text))
  child.stdin.on('error', () => undefined)
  child.stdin.end(input)
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, out, err })))
}

describe('tq-tui without a terminal', () => {
  test.each([
    ['the repl command', ['repl', '--no-app']],
    ['no command', ['--no-app']],
  ])('evaluates what is piped in with %s', async (_name, args) => {
    expect(await tqTui(args, '1 + 1\n')).toEqual({ code: 0, out: '2\n', err: '' })
  })

  test('evaluates -e and leaves its input alone', async () => {
    expect(await tqTui(['--no-app', '-e', 'const a: number = 20', 'a + 1'], 'throw 1')).toEqual({
      code: 0,
      out: '21\n',
      err: '',
    })
  })

  test('finds modules from --cwd', async () => {
    const { out } = await tqTui([
      '--no-app',
      '--cwd',
      '..',
      '-e',
      "(await import('./tui/repl/fixtures/a.ts')).x + process.cwd()",
    ])

    expect(out.trim()).toMatch(/^'42.*[\\/]tui[\\/]repl'$/u)
  })

  test('an error gives 1 and stdout holds the values before it', async () => {
    const { code, out, err } = await tqTui(['--no-app'], '1\nnull.x\n2\n')

    expect({ code, out }).toEqual({ code: 1, out: '1\n' })
    expect(err).toMatch(/^TypeError: Cannot read properties of null/u)
  })

  test('SIGINT gives 130', async () => {
    const { code } = await tqTui(['--no-app'], "console.log('begun'); await new Promise(() => undefined)", (kill) =>
      kill('SIGINT'),
    )

    expect(code).toBe(130)
  })

  test('info prints where everything is, and a keymap to begin with', async () => {
    const info = await tqTui(['info'])
    const keymap = await tqTui(['info', '--keymap'])

    expect(info.code).toBe(0)
    expect(info.out).toMatch(/^keymap +\S+tq[\\/]keymap\.json/mu)
    expect(info.out).toMatch(/^project +\S+fixtures$/mu)
    expect(JSON.parse(keymap.out)).toMatchObject({ retry: ['R'], down: ['j', 'down', 'n'] })
  })

  test('a wrong option gives 2, --help 0 with examples and exit codes', async () => {
    const wrong = await tqTui(['--no-such-option'])
    const help = await tqTui(['repl', '--help'])

    expect(wrong).toMatchObject({ code: 2, out: '' })
    expect(wrong.err).toContain("unknown option '--no-such-option'")
    expect(help).toMatchObject({ code: 0, out: expect.stringContaining('ends the run') as unknown })
  })
})
