import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Tq } from '../../../runtime/src/index.ts'
import { makeProject, type Project } from '../../helpers/project.ts'
import { waitFor } from '../../helpers/wait.ts'
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
  }, 120_000)

  test('a failed task is retried by a key', async () => {
    const pty = await started({ args: [] })
    await pty.until('1 worker', 30_000)
    const app = client()
    await app.sendTask('whine', ['oh\u001b[2J'])
    await pty.until('6 Failed(1)')
    await app.close()

    pty.type('6jR')

    await pty.until('6 Failed(2)', 30_000)
  }, 120_000)

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
  }, 120_000)

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
  }, 120_000)

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
  }, 120_000)

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
  }, 120_000)

  test('dev restores the terminal when something kills its console, and tells so', async () => {
    const pty = await started({ args: ['dev'], shell: 'stty -a > before; eval $TQ; echo "left $?"; stty -a > after' })
    await pty.until(/tq worker {2}tq-\d+@\S+ is ready/u, 30_000)
    const [screen] = pidsOf(project.folder, '--under-dev')

    process.kill(Number(screen), 'SIGKILL')
    await pty.until('left 137')

    expect(await pty.exitCode).toBe(0)
    expect(pty.screen.text()).toContain('The console was ended by SIGKILL.')
    expect(pty.screen.isAlternate()).toBe(false)
    expect(readFileSync(project.path('after'), 'utf8')).toBe(readFileSync(project.path('before'), 'utf8'))
  }, 120_000)

  test('for a screen reader it is lines: no cursor is moved, keys and numbers work', async () => {
    session = new PtySession({ args: ['--screen-reader'], cwd: project.folder, columns: 120, rows: 30 })
    await session.until(/^worker tq-\d+@\S+: online$/mu, 30_000)
    const app = client()
    await app.sendTask('whine', ['oh'])
    await session.until(/^failed: whine \S+: RangeError: oh$/mu)
    await app.close()

    session.type('6')
    await session.until(/^Failed: 1 row\.$/mu)
    session.type('/nothing\r')
    await session.until(/^Failed: 0 rows, filter nothing\.$/mu)
    session.type('\u001bq')

    expect(await session.exitCode).toBe(0)
  }, 120_000)

  test('a keymap file gives other keys; one with a conflict is refused by name', async () => {
    const env = { XDG_CONFIG_HOME: project.path('config') }
    project.write('config/tq/keymap.json', '{ "quitOrBack": "x" }')
    const pty = await started({ env })
    expect(pty.screen.text()).toContain('x quit')
    pty.type('x')
    expect(await pty.exitCode).toBe(0)

    project.write('config/tq/keymap.json', '{ "quitOrBack": "j" }')
    const other = new PtySession({ args: ['--no-worker'], cwd: project.folder, env })
    expect(await other.exitCode).toBe(2)

    expect(other.screen.text()).toContain('Key j is bound to down and to quitOrBack.')
  }, 120_000)

  test('o opens the definition in the editor and comes back', async () => {
    project.write('editor.sh', '#!/bin/sh\necho "$@" > opened\n')
    const pty = await started({ args: [], env: { EDITOR: `sh ${project.path('editor.sh')}` } })
    await pty.until('1 worker', 30_000)
    const app = client()
    await app.sendTask('math.add', [1, 2])
    await app.close()
    await pty.until(/✓ OK {6}math\.add/u)

    pty.type('o')
    await waitFor(() => existsSync(project.path('opened')), { what: 'the editor' })
    await pty.until('●live')
    pty.type('q')

    expect(await pty.exitCode).toBe(0)
    expect(readFileSync(project.path('opened'), 'utf8')).toBe(`+4 ${project.path('src/app.ts')}\n`)
  }, 120_000)

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
  }, 120_000)
})

/** Ids of the processes that work in a folder and have a word in their command line. */
function pidsOf(folder: string, word: string): readonly string[] {
  const all = execFileSync('ps', ['-eo', 'pid=,args='], { encoding: 'utf8' }).split('\n')
  return all
    .filter((line) => line.includes(word))
    .map((line) => line.trim().split(/\s/u)[0] ?? '')
    .filter((pid) => {
      try {
        return readlinkSync(`/proc/${pid}/cwd`) === folder
      } catch {
        return false
      }
    })
}
