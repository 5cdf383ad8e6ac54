import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { describe, expect, onTestFinished, test } from 'vitest'
import { Tq } from '../../../runtime/src/index.ts'
import { makeProject, type Project } from '../../helpers/project.ts'

const entry = fileURLToPath(new URL('../repl/fixtures/tq-tui.ts', import.meta.url))

interface Run {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

/** The command as a child process without a terminal; `ignore` is what CI gives for standard input. */
function tqTui(project: Project, args: readonly string[]): Promise<Run> {
  const child = spawn(process.execPath, ['--conditions=@tq/source', entry, ...args], {
    cwd: project.folder,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let out = ''
  let err = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text))
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, out, err })))
}

/** A project whose worker runs in this process and has run one task of each kind. */
async function usedProject(): Promise<Project> {
  const project = makeProject({ 'src/app.ts': "import { Tq } from 'tq-runtime'\nexport const app = new Tq('shop')\n" })
  const app = new Tq('shop', { brokerUrl: `sqlite://${project.folder}/.tq/tq.db`, logger: quiet })
  app.file = project.path('src/app.ts')
  onTestFinished(() => app.close())
  app.task('math.add', (x: number, y: number) => x + y)
  app.task('evil', (text: string) => {
    throw new RangeError(text)
  })
  await app.startWorker({ hostname: 'w1@test' })
  await (await app.sendTask('math.add', [2, 2])).get()
  await (await app.sendTask('evil', ['\u001b[2J'])).get().catch(() => undefined)
  return project
}

function ignore(): void {}
const quiet = { debug: ignore, info: ignore, warn: ignore, error: ignore }

describe('tq-tui without a terminal', () => {
  test('prints a table once, without escapes', async () => {
    const project = await usedProject()

    const { code, out, err } = await tqTui(project, [])

    expect({ code, err }).toEqual({ code: 0, err: '' })
    expect(out).toMatch(/^tq embedded\n\nWORKER/u)
    expect(out).toMatch(/^w1@test +● ONLINE/mu)
    expect(out).toMatch(/^✓ OK +math\.add .*\(2, 2\)$/mu)
    expect(out).toMatch(/^✗ FAIL +evil /mu)
    expect(out).not.toMatch(/\u001b/u)
  })

  test('prints one JSON document with --json', async () => {
    const project = await usedProject()

    const { code, out } = await tqTui(project, ['--json'])

    expect(code).toBe(0)
    expect(JSON.parse(out)).toMatchObject({
      broker: 'embedded',
      workers: [{ name: 'w1@test', alive: true }],
      queues: [{ name: 'celery' }],
      tasks: [{ state: 'FAILURE' }, { state: 'SUCCESS', args: '(2, 2)', result: '4' }],
    })
  })

  test('says that the broker cannot be reached, without its password, and exits 1', async () => {
    const project = makeProject({})

    const { code, out, err } = await tqTui(project, ['--snapshot', '--broker', 'redis://:top-secret@127.0.0.1:1'])

    expect({ code, out }).toEqual({ code: 1, out: '' })
    expect(err).toContain('Cannot reach the broker redis://:***@127.0.0.1:1')
    expect(err).not.toContain('top-secret')
  })
})
