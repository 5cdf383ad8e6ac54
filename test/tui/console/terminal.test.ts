import { readFileSync, writeFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Tq } from '../../../runtime/src/index.ts'
import { makeProject, type Project } from '../../helpers/project.ts'
import { PtySession } from '../helpers/pty.ts'

const appText = `
import { Tq } from 'tq-runtime'
export const app = new Tq('shop')
export const add = app.task('math.add', (x: number, y: number): number => x + y)
export const whine = app.task('whine', (text: string): number => { throw new RangeError(text) })
`

// Each test is a console and, where it starts one, a worker: real processes on a file of their own.
describe('tq-tui in a terminal', () => {
  let project: Project
  let session: PtySession | undefined

  beforeEach(() => {
    project = makeProject({ 'src/app.ts': appText })
  })
  afterEach(async () => {
    await session?.end()
  })

  interface StartOptions {
    readonly args?: readonly string[]
    readonly shell?: string
    readonly env?: Readonly<Record<string, string>>
    readonly columns?: number
    readonly rows?: number
  }

  async function started({ args = ['--no-worker'], ...options }: StartOptions = {}): Promise<PtySession> {
    session = new PtySession({ args, cwd: project.folder, columns: 120, rows: 30, ...options })
    await session.until('●live', 30_000)
    return session
  }

  function client(): Tq {
    return new Tq('client', { brokerUrl: `sqlite://${project.folder}/.tq/tq.db` })
  }

  test('starts a worker, shows a task that somebody else sends, with its result, and q leaves the terminal as it was', async () => {
    const pty = await started({ args: [], shell: 'stty -a > before; eval $TQ; echo "left $?"; stty -a > after' })
    await pty.until('1 worker', 30_000)
    const app = client()

    const result = await app.sendTask('math.add', [40, 2])
    expect(await result.get({ timeout: 20_000 })).toBe(42)
    await pty.until(/✓ OK {6}math\.add/u)
    pty.type('\r')
    await pty.until(/result {3}42/u)
    pty.type('qq')
    await pty.until('left 0')
    await app.close()

    expect(await pty.exitCode).toBe(0)
    expect(pty.screen.text()).not.toContain('math.add')
    expect(readFileSync(project.path('after'), 'utf8')).toBe(readFileSync(project.path('before'), 'utf8'))
  }, 60_000)

  test('a failed task is retried by a key', async () => {
    const pty = await started({ args: [] })
    await pty.until('1 worker', 30_000)
    const app = client()
    await app.sendTask('whine', ['oh\u001b[2J'])
    await pty.until('6 Failed(1)')
    await app.close()

    pty.type('6jR')

    await pty.until('6 Failed(2)', 30_000)
  }, 60_000)

  test('a resize storm leaves one whole screen', async () => {
    const pty = await started()
    for (let i = 0; i < 30; i++) pty.resize(40 + ((i * 37) % 160), 10 + ((i * 13) % 50))
    pty.resize(20, 5)
    await pty.until(/terminal too small/u)
    pty.resize(120, 30)

    await pty.until((screen) => {
      const lines = screen.lines()
      return (
        lines[0]?.startsWith(' tq embedded ●live') === true &&
        lines.filter((line) => line.includes('1 Tasks')).length === 1
      )
    })
  }, 60_000)

  test.each([
    ['TERM', 143],
    ['HUP', 129],
  ])(
    'SIG%s restores the terminal and is told by the exit code',
    async (signal, code) => {
      writeFileSync(project.path('run.sh'), 'echo $$ > pid; eval "exec $TQ"\n')
      const pty = await started({ shell: 'stty -a > before; sh run.sh; echo "left $?"; stty -a > after' })

      process.kill(Number(readFileSync(project.path('pid'), 'utf8')), `SIG${signal}`)
      await pty.until(`left ${code}`)

      await pty.exitCode
      expect(readFileSync(project.path('after'), 'utf8')).toBe(readFileSync(project.path('before'), 'utf8'))
    },
    60_000,
  )

  test('Ctrl-Z gives the shell back, fg the console, at the size that the window has by then', async () => {
    session = new PtySession({
      args: ['--no-worker'],
      cwd: project.folder,
      columns: 120,
      rows: 30,
      env: { PS1: 'shell> ' },
      shell: 'exec bash --norc --noprofile -i',
    })
    await session.until('shell>')
    session.type('eval $TQ\r')
    await session.until('●live', 30_000)

    session.type('\u001a')
    await session.until('Stopped')
    session.resize(80, 24)
    session.type('fg\r')
    await session.until((screen) => {
      const headers = screen.lines().filter((line) => line.startsWith(' tq embedded ●live'))
      return headers.length === 1 && (headers[0]?.length ?? 99) <= 80 && screen.text().includes('R retry')
    })
    session.type('q')
    await session.until((screen) => /shell>\s*$/u.test(screen.text()))
    session.type('exit\r')

    expect(await session.exitCode).toBe(0)
  }, 60_000)

  test('the REPL is a view: it sends a task, and Esc comes back to the list that shows it', async () => {
    const pty = await started({ args: [] })
    await pty.until('1 worker', 30_000)

    pty.type('0')
    await pty.until('embedded>', 30_000)
    pty.type('add.delay(40, 2)')
    await pty.until(
      (screen) =>
        screen.lines()[screen.cursor().y]?.startsWith('embedded> add.delay') === true && screen.cursor().x === 26,
    )
    pty.type('\r')
    await pty.until(/^42 .*worker tq-/mu, 30_000)
    pty.type('\u001b')
    await pty.until(/✓ OK {6}math\.add/u)
    pty.type('q')

    expect(await pty.exitCode).toBe(0)
  }, 60_000)

  test('dev has a worker that is started anew when a file changes', async () => {
    const pty = await started({ args: ['dev'] })
    await pty.until(/tq worker {2}tq-\d+@\S+ is ready/u, 30_000)

    project.write('src/app.ts', appText.replace('x + y', 'x * y'))
    await pty.until(/\(src\/app\.ts changed\) {2}tq-\d+@\S+ is ready/u, 30_000)
    const app = client()
    const product = await (await app.sendTask('math.add', [6, 7])).get({ timeout: 20_000 })
    await app.close()
    pty.type('q')

    expect(product).toBe(42)
    expect(await pty.exitCode).toBe(0)
  }, 60_000)

  test('the broker may be said in the code: a child tells it, and its password is never shown', async () => {
    project.write(
      'src/app.ts',
      appText.replace("new Tq('shop')", "new Tq('shop', { brokerUrl: 'redis://:top-secret@127.0.0.1:1/0' })"),
    )
    session = new PtySession({ args: [], cwd: project.folder, columns: 120, rows: 30 })

    await session.until('broker lost', 30_000)

    expect(session.screen.text()).toContain('redis://:***@127.0.0.1:1/0')
    expect(session.screen.text()).not.toContain('top-secret')
    session.type('q')
    expect(await session.exitCode).toBe(0)
  }, 60_000)
})
