import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { PtySession } from '../helpers/pty.ts'

describe('tq-tui repl in a terminal', () => {
  let folder = ''
  let session: PtySession | undefined

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'tq-repl-'))
  })
  afterEach(async () => {
    await session?.end()
    rmSync(folder, { recursive: true })
  })

  async function started(shell?: string, env: Readonly<Record<string, string>> = {}): Promise<PtySession> {
    session = new PtySession({
      args: ['repl', '--no-app'],
      cwd: folder,
      env,
      ...(shell === undefined ? {} : { shell }),
    })
    await session.until((screen) => /^ts>/mu.test(screen.text()))
    return session
  }

  test('takes a block, and Ctrl-D leaves with 0 and the terminal as it was', async () => {
    const pty = await started('stty -a > before; eval $TQ; echo "left $?"; stty -a > after')

    pty.type('const f = () => {\r')
    await pty.until('  …')
    pty.type('return 6 * 7\r')
    await pty.until(/return 6 \* 7\n/u)
    pty.type('}\r')
    await pty.until(/\}\nts>$/u)
    pty.type('f()\r')
    await pty.until(/^42\nts>$/mu)
    pty.type('\u0004')
    await pty.until('left 0')

    expect(await pty.exitCode).toBe(0)
    expect(readFileSync(join(folder, 'after'), 'utf8')).toBe(readFileSync(join(folder, 'before'), 'utf8'))
  })

  test('works where CI is set', async () => {
    const pty = await started(undefined, { CI: '' })

    pty.type('1 + 1\r')

    await pty.until(/^2$/mu)
  })

  test('an endless loop is stopped by Ctrl-C and the bindings stay', async () => {
    const pty = await started()

    pty.type('const kept = 41\r')
    await pty.until(/kept = 41\nts>/u)
    pty.type("console.log('begun'); while (true);\r")
    await pty.until(/^begun$/mu)
    pty.type('\u0003')
    await pty.until(/^interrupted\nts>$/mu)
    pty.type('kept + 1\r')

    await pty.until(/^42$/mu)
  })

  test('code that resists an interrupt is killed by a second Ctrl-C, and the engine is there again', async () => {
    const pty = await started()

    // Native code: no termination reaches it.
    pty.type("console.log('begun'); require('node:child_process').execSync('sleep 5')\r")
    await pty.until(/^begun$/mu)
    pty.type('\u0003')
    pty.type('\u0003')

    await pty.until('The code could not be interrupted; engine restarted')
    await pty.until(/\nts>$/u)
    pty.type('1 + 1\r')
    await pty.until(/^2$/mu)
  })

  test.each([
    ['TERM', 143],
    ['HUP', 129],
  ])('SIG%s from outside restores the terminal and is told by the exit code', async (signal, code) => {
    writeFileSync(join(folder, 'run.sh'), 'echo $$ > pid; eval "exec $TQ"\n')
    const shell = 'stty -a > before; sh run.sh; echo "left $?"; stty -a > after'
    const pty = await started(shell)

    process.kill(Number(readFileSync(join(folder, 'pid'), 'utf8')), `SIG${signal}`)
    await pty.until(`left ${code}`)

    await pty.exitCode
    expect(readFileSync(join(folder, 'after'), 'utf8')).toBe(readFileSync(join(folder, 'before'), 'utf8'))
  })

  test('the history is there in the next session', async () => {
    const first = await started()
    first.type('const remembered = [1,\r')
    await first.until('  …')
    first.type('2]\r')
    await first.until(/2\]\nts>$/u)
    first.type(' const secret = 1\r')
    await first.until(/secret = 1\nts>$/u)
    first.type('\u0004')
    expect(await first.exitCode).toBe(0)

    const second = await started()
    second.type('\u001b[A')

    await second.until(/ts> const remembered = \[1,\n {2}… {3}2\]$/u)
  })
})
