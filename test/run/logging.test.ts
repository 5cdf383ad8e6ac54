import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { workerLogFormat, workerTaskLogFormat } from '../../runtime/src/core/log-format.ts'
import type { Logger, LogSetup } from '../../runtime/src/core/logger.ts'
import { VirtualClock } from '../../runtime/src/core/virtual-clock.ts'
import { setUpLogging } from '../../runtime/src/run/logging.ts'
import { redirectOutput } from '../../runtime/src/run/redirect-output.ts'
import { memoryApp, passUntil } from '../../runtime/src/testing.ts'
import { temporaryFolder } from '../helpers/project.ts'

const folderOf = (): string => temporaryFolder()

function setup(file: string, more: Partial<LogSetup> = {}): LogSetup {
  return {
    hostname: 'w1@test',
    level: 'info',
    file,
    format: workerLogFormat,
    taskFormat: workerTaskLogFormat,
    isColoured: false,
    redirectLevel: undefined,
    ...more,
  }
}

/** An app on memory without a logger of its own. */
function plainApp() {
  const clock = new VirtualClock(Date.UTC(2026, 0, 2, 3, 4, 5))
  const app = memoryApp('logging', { clock, logger: undefined })
  onTestFinished(() => passUntil(clock, app.close()))
  return { app, clock, pass: <T>(promise: Promise<T>): Promise<T> => passUntil(clock, promise) }
}

test('a child has a file of its own where the name has its number, and says who it is', async () => {
  const { app } = plainApp()
  const folder = folderOf()

  const end = await setUpLogging(app, setup(join(folder, '%n%I.log')), 2)
  app.logger.info('here')
  app.logger.debug('not this')
  end()

  expect(readFileSync(join(folder, 'w1-2.log'), 'utf8')).toBe('[2026-01-02 03:04:05.000: INFO/PoolWorker-2] here\n')
  expect(existsSync(join(folder, 'w1.log'))).toBe(false)
})

test('what a task writes to stdout and stderr is logged with its name and id, line by line', async () => {
  const { app, pass } = plainApp()
  const file = join(folderOf(), 'w1.log')
  const task = app.task('t.print', () => {
    process.stdout.write('one\ntw')
    process.stdout.write('o\r\n')
    process.stderr.write(Buffer.from('three\n'))
  })
  const end = await setUpLogging(app, setup(file, { redirectLevel: 'warn' }))
  onTestFinished(end)
  await app.startWorker({ hostname: 'w1@test' })

  const result = await task.delay()
  await pass(result.get())
  process.stdout.write('nobody’s\n')

  const said = readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line.includes('WARNING'))
    .map((line) => line.replace(/^.*MainProcess\] /, ''))
  expect(said).toEqual([...['one', 'two', 'three'].map((word) => `t.print[${result.id}]: ${word}`), 'nobody’s'])
})

test('when the redirection ends the streams are what they were', async () => {
  const before = [process.stdout.write, process.stderr.write]
  const { app } = plainApp()

  const end = await setUpLogging(app, setup(join(folderOf(), 'w1.log'), { redirectLevel: 'warn' }))
  const during = [process.stdout.write, process.stderr.write]
  end()

  expect([process.stdout.write, process.stderr.write]).toEqual(before)
  expect(during).not.toEqual(before)
})

test('an app’s own logger is left alone, and so is one that a listener of setupLogging sets up', async () => {
  const lines: string[] = []
  const push = (text: string): void => void lines.push(text)
  const own: Logger = { debug: push, info: push, warn: push, error: push }
  const [first, second] = [plainApp().app, plainApp().app]
  first.useLogger(own)
  second.on('setupLogging', ({ useLogger }) => useLogger(own))
  const write = process.stdout.write
  const folder = folderOf()

  for (const app of [first, second]) {
    const end = await setUpLogging(app, setup(join(folder, 'w1.log'), { redirectLevel: 'warn' }))
    app.logger.info('mine')
    end()
  }

  expect(lines).toEqual(['mine', 'mine'])
  expect(process.stdout.write).toBe(write)
  expect(existsSync(join(folder, 'w1.log'))).toBe(false)
})

test('a character that is written in two pieces is one, and a line without an end does not wait for it', () => {
  const lines: string[] = []
  const end = redirectOutput((line) => lines.push(line))
  onTestFinished(end)
  const umlaut = Buffer.from('ü')

  process.stdout.write(umlaut.subarray(0, 1))
  process.stdout.write(Buffer.concat([umlaut.subarray(1), Buffer.from('\n')]))
  for (let at = 0; at < 70; at++) process.stdout.write('.'.repeat(1000))
  end()

  expect(lines[0]).toBe('ü')
  expect(lines.slice(1).map((line) => line.length)).toEqual([66_000, 4000])
})

test('where the log file cannot be written any more the entry stands on stderr, once and as it is', async () => {
  const said: string[] = []
  const stderr = vi.spyOn(process.stderr, 'write').mockImplementation((text) => said.push(String(text)) > 0)
  onTestFinished(() => stderr.mockRestore())
  const { app } = plainApp()
  const folder = join(folderOf(), 'logs')
  mkdirSync(folder)
  const end = await setUpLogging(app, setup(join(folder, 'w1.log'), { redirectLevel: 'warn' }))
  onTestFinished(end)

  rmSync(folder, { recursive: true })
  writeFileSync(folder, 'no folder any more')
  app.logger.info('mine')
  process.stdout.write('a task’s\n')

  expect(said).toEqual([
    '[2026-01-02 03:04:05.000: INFO/MainProcess] mine\n',
    '[2026-01-02 03:04:05.000: WARNING/MainProcess] a task’s\n',
  ])
})

test('text in another encoding is read, and a line’s end may come in two pieces', () => {
  const lines: string[] = []
  const end = redirectOutput((line) => lines.push(line))
  onTestFinished(end)

  process.stdout.write(Buffer.from('hidden\n').toString('base64'), 'base64')
  process.stdout.write('in two\r')
  process.stdout.write('\nbar')
  end()

  expect(lines).toEqual(['hidden', 'in two', 'bar'])
})

test('what is written while a line is logged passes through', () => {
  const said: string[] = []
  const stdout = vi.spyOn(process.stdout, 'write').mockImplementation((text) => said.push(String(text)) > 0)
  onTestFinished(() => stdout.mockRestore())
  const end = redirectOutput((line) => void process.stdout.write(`log: ${line}\n`))
  onTestFinished(end)

  process.stdout.write('one\ntwo\n')
  end()

  expect(said).toEqual(['log: one\n', 'log: two\n'])
})
