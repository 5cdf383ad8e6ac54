import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { silentLogger, Tq } from '../../runtime/src/index.ts'
import { groupMembers } from '../helpers/process-group.ts'
import { temporaryFolder } from '../helpers/project.ts'
import { waitFor } from '../helpers/wait.ts'
import { gated } from './gated.ts'
import { shop } from './shop.ts'

// Several processes one after the other, on machines that may be busy.
vi.setConfig({ testTimeout: 180_000 })

/** Whether a process lives. */
function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

function textOf(file: string): string {
  return existsSync(file) ? readFileSync(file, 'utf8') : ''
}

test('a pid file keeps a second worker away, a stale one does not, and it goes with its worker', async () => {
  const { tq, worker } = shop()
  const pidFile = join(temporaryFolder(), 'w1.pid')
  writeFileSync(pidFile, '99999999\n') // beyond what Linux gives out

  const w1 = await worker('--pidfile', pidFile)
  const held = textOf(pidFile)
  const second = await tq(['worker', '-n', 'w2@test', '--pidfile', pidFile])
  w1.kill('SIGTERM')
  const exit = await w1.exit

  expect(held).toBe(`${w1.pid}\n`)
  expect(second).toMatchObject({ code: 73, stdout: '', stderr: expect.stringContaining(`pid ${w1.pid}`) as string })
  expect(exit).toEqual({ code: 0, signal: null })
  expect(existsSync(pidFile)).toBe(false)
})

test('SIGHUP lets the running task end and starts the worker anew in its process; logs are rotated, revokes remembered', async () => {
  const project = gated()
  const { tq, worker } = shop({}, project.folder)
  const folder = temporaryFolder()
  const log = join(folder, 'w1.log')
  const w1 = await worker(
    '--pidfile',
    join(folder, '%n.pid'),
    '-f',
    join(folder, '%n.log'),
    '-S',
    join(folder, '%n.state'),
  )
  const logged = (text: string): Promise<unknown> =>
    waitFor(() => textOf(log).includes(text), { what: `${text} in the log` })
  await tq(['call', 'wait', 'it', '--no-wait', '--task-id', 'it'])
  await logged('running it')
  renameSync(log, `${log}.1`)

  w1.kill('SIGHUP')
  await logged('w1@test restarts when what runs has ended')
  project.write('go', '')
  await logged('w1@test ready.')
  const result = await tq(['result', 'it'])
  const again = await tq(['call', 'wait', 'again'])
  w1.kill('SIGTERM')
  const exit = await w1.exit

  expect([result.stdout, again.stdout]).toEqual(['it\n', 'again\n'])
  expect(textOf(`${log}.1`)).toContain('wait[it]: running it')
  expect(textOf(log)).toMatch(/wait\[it\]: through it[^]*w1@test ready\.[^]*through again/)
  expect(JSON.parse(textOf(join(folder, 'w1.state')))).toMatchObject({ version: 1 })
  expect(exit).toEqual({ code: 0, signal: null })
  expect(existsSync(join(folder, 'w1.pid'))).toBe(false)
})

test('with -D it runs in the background, logs to a file, and ends by its pid', async () => {
  const { tq, db } = shop()
  const folder = temporaryFolder()
  const pidFile = join(folder, 'w1.pid')
  onTestFinished(() => {
    const pid = Number(textOf(pidFile))
    if (pid > 0) process.kill(pid, 'SIGKILL')
  })

  const files = ['--pidfile', pidFile, '-f', join(folder, '%n.log')]
  const started = await tq(['worker', '-D', '-n', 'w1@test', ...files])
  const pid = Number(textOf(pidFile))
  const { stdout } = await tq(['call', 'math.add', '2', '3'])
  process.kill(pid, 'SIGTERM')
  await waitFor(() => !isAlive(pid), { what: 'the end of the worker' })

  expect(started).toMatchObject({
    code: 0,
    stderr: expect.stringContaining(`w1@test runs in the background: pid ${pid}`) as string,
  })
  expect(stdout).toBe('5\n')
  expect(textOf(join(folder, 'w1.log'))).toMatch(/w1@test ready\.[^]*Task math\.add\[.+\] succeeded/)
  expect(existsSync(pidFile)).toBe(false)
  expect(existsSync(db)).toBe(true)
})

test('a background worker that cannot start says why and leaves the code behind', async () => {
  const { tq } = shop()

  const files = ['-f', join(temporaryFolder(), 'w1.log')]
  const { code, stderr } = await tq(['worker', '-D', '-A', 'no-such-file.ts', ...files])

  expect(code).toBe(1)
  expect(stderr).toMatch(/did not start; its log is .*w1\.log|did not start; its log is .*\n[^]*no-such-file/)
})

test('with --watch a change starts the worker anew when its task has ended', async () => {
  const project = gated()
  const { tq, spawn } = shop({}, project.folder)
  const watching = spawn(['worker', '-n', 'w1@test', '--watch'])
  await watching.waitForLine('w1@test ready.')
  await tq(['call', 'wait', 'it', '--no-wait', '--task-id', 'it'])
  await watching.waitForLine('wait[it]: running it')

  project.write('more.ts', `import { app } from './app.ts'\nexport const fresh = app.task('fresh', () => 'new code')\n`)
  await watching.waitForLine('more.ts changed')
  project.write('go', '')
  const fresh = await tq(['call', 'fresh'])
  const { stdout } = await tq(['result', 'it'])
  watching.kill('SIGTERM')
  const exit = await watching.exit

  expect([fresh.stdout, stdout]).toEqual(['new code\n', 'it\n'])
  expect(watching.stderr).toMatch(/wait\[it\]: through it[^]*w1@test ready\./)
  expect(exit).toEqual({ code: 0, signal: null })
})

test('with --watch a mistake is told and leaves the old code at work, until it is mended', async () => {
  const project = gated()
  const { tq, spawn, db } = shop({}, project.folder)
  // `tq call` would not find the task either.
  const client = new Tq('client', { broker: `sqlite://${db}`, logger: silentLogger })
  onTestFinished(() => client.close())
  const file = (body: string): string =>
    `import { app } from './app.ts'\nexport const age = app.task('age', () => ${body})\n`
  project.write('more.ts', file(`'old'`))
  const watching = spawn(['worker', '-n', 'w1@test', '--watch'])
  await watching.waitForLine('w1@test ready.')

  project.write('more.ts', file(`'new`))
  await watching.waitForLine('more.ts changed, but the project cannot be loaded')
  const told = watching.stderr
  const old = await (await client.sendTask('age')).get({ timeout: 90 })
  project.write('more.ts', file(`'new'`))
  await watching.waitForLine('more.ts changed: the worker starts anew')
  await waitFor(() => watching.stderr.split('w1@test ready.').length === 3, { what: 'the new code' })
  const fresh = await tq(['call', 'age'])
  watching.kill('SIGTERM')
  const exit = await watching.exit

  expect(told).toMatch(/more\.ts[^]*cannot be loaded/)
  expect(old).toBe('old')
  expect(fresh).toMatchObject({ stdout: 'new\n' })
  expect(exit).toEqual({ code: 0, signal: null })
})

test('with -D and --watch it watches in the background', async () => {
  const { tq } = shop()
  const log = join(temporaryFolder(), 'w1.log')

  const started = await tq(['worker', '-D', '--watch', '-n', 'w1@test', '-f', log])
  const pid = Number(/pid (\d+)/.exec(started.stderr)?.[1])
  onTestFinished(() => void (isAlive(pid) && process.kill(pid, 'SIGKILL')))
  const { stdout } = await tq(['call', 'math.add', '2', '3'])
  process.kill(pid, 'SIGTERM')
  await waitFor(() => !isAlive(pid), { what: 'the end of the worker' })

  expect(started).toMatchObject({
    code: 0,
    stderr: expect.stringContaining('w1@test runs in the background') as string,
  })
  expect(stdout).toBe('5\n')
  expect(textOf(log)).toMatch(/Watching [^]*w1@test ready\./)
})

test('SIGUSR1 writes to the log what runs, of the worker and of its child, and opens no inspector', async () => {
  const project = gated()
  const { tq, worker } = shop({}, project.folder)
  const w1 = await worker('-P', 'prefork', '-c', '1')
  await tq(['call', 'wait', 'it', '--no-wait', '--task-id', 'it'])
  await w1.waitForLine('wait[it]: running it')
  const [child = 0] = groupMembers(w1.pid).filter((pid) => pid !== w1.pid)

  w1.kill('SIGUSR1')
  const parentSays = await w1.waitForLine(/1 of 1 slots of the pool prefork are busy/)
  await w1.waitForLine(/wait\[it\] for .* args \('it',\)/)
  process.kill(child, 'SIGUSR1')
  const childSays = await w1.waitForLine(/Child \d+ .* runs wait\[it\] for/)
  project.write('go', '')
  const { stdout } = await tq(['result', 'it', '--wait'])

  expect(parentSays).toContain('MainProcess')
  expect(childSays).toContain(`PoolWorker-1] Child ${child} `)
  expect(stdout).toBe('it\n')
  expect(w1.stderr).not.toContain('Debugger')
})

test('a worker that is stopped by the terminal and goes on has lost nothing', async () => {
  const project = gated()
  const { tq, worker } = shop({}, project.folder)
  const w1 = await worker()
  await tq(['call', 'wait', 'it', '--no-wait', '--task-id', 'it'])
  await w1.waitForLine('wait[it]: running it')

  w1.kill('SIGTSTP')
  await waitFor(() => / T /.test(textOf(`/proc/${w1.pid}/stat`)), { what: 'the worker to stand still' })
  await tq(['call', 'wait', 'next', '--no-wait', '--task-id', 'next'])
  project.write('go', '')
  w1.kill('SIGCONT')
  const results = [await tq(['result', 'it', '--wait']), await tq(['result', 'next', '--wait'])]

  expect(results.map(({ stdout }) => stdout)).toEqual(['it\n', 'next\n'])
})

test('with REMAP_SIGTERM=SIGQUIT a SIGTERM gives back what runs', async () => {
  const { tq, worker } = shop({ REMAP_SIGTERM: 'SIGQUIT' }, gated().folder)
  const w1 = await worker()
  await tq(['call', 'wait', 'it', '--no-wait', '--task-id', 'it'])
  await w1.waitForLine('wait[it]: running it')

  w1.kill('SIGTERM')
  const exit = await w1.exit
  const queues = await tq(['queues', '--json'])

  expect(exit).toEqual({ code: 0, signal: null })
  expect(JSON.parse(queues.stdout)).toMatchObject({ queues: [{ name: 'celery', held: 0, ready: 1 }, {}] })
})

test('the third SIGINT ends a worker that does not come to its end', async () => {
  const project = gated()
  project.write(
    'hang.ts',
    `import { app } from './app.ts'
app.on('workerShutdown', () => new Promise(() => setInterval(() => {}, 1000)))
export const hang = app.task('hang', () => 1)\n`,
  )
  const { worker } = shop({}, project.folder)
  const w1 = await worker()

  w1.kill('SIGINT')
  await w1.waitForLine('once more to stop at once')
  w1.kill('SIGINT')
  await w1.waitForLine('gives back what runs')
  w1.kill('SIGINT')
  const exit = await w1.exit

  expect(exit).toEqual({ code: 130, signal: null })
})

test('Celery’s command lines are understood: its level names, and flags that change nothing here', async () => {
  const { worker } = shop()

  const w1 = await worker('-l', 'WARNING', '-O', 'fair', '--without-gossip', '--without-mingle', '--discard')

  expect(w1.stderr).not.toContain('ready.')
  expect(w1.stderr).toContain('Purged 0 messages from celery.')
})

test('log formats are settings: json lines of the worker and of its tasks', async () => {
  const project = gated(`workerLogFormat: 'json', workerRedirectStdoutsLevel: 'INFO'`)
  project.write('go', '')
  const { tq, worker } = shop({}, project.folder)
  const w1 = await worker()

  await tq(['call', 'wait', 'it', '--task-id', 'it'])
  await w1.waitForLine('"through it"')
  const lines = w1.stderr.split('\n').filter((line) => line.startsWith('{'))

  expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual(
    expect.arrayContaining([
      expect.objectContaining({ level: 'info', taskName: 'wait', taskId: 'it', message: 'through it' }) as unknown,
      expect.objectContaining({ level: 'info', processName: 'MainProcess', message: 'w1@test ready.' }) as unknown,
    ]),
  )
  expect(w1.stdout).toBe('')
})
