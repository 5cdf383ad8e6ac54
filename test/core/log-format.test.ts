import { expect, test } from 'vitest'
import { type LogEntry, logFormat, workerLogFormat, workerTaskLogFormat } from '../../runtime/src/core/log-format.ts'
import { lineLogger, loggerOfTask, logLevelOf } from '../../runtime/src/core/logger.ts'

const entry: LogEntry = {
  timeMs: Date.UTC(2026, 0, 2, 3, 4, 5, 678),
  level: 'warn',
  message: 'hello',
  fields: undefined,
  task: undefined,
}
const task = { name: 'mail.send', id: '7' }

test('the formats of Celery are written as Celery writes them', () => {
  const worker = logFormat(workerLogFormat)(entry)
  const child = logFormat(workerTaskLogFormat, { processName: 'PoolWorker-2' })({ ...entry, task })

  expect(worker).toBe('[2026-01-02 03:04:05.678: WARNING/MainProcess] hello')
  expect(child).toBe('[2026-01-02 03:04:05.678: WARNING/PoolWorker-2] mail.send[7]: hello')
})

test('widths, numbers and percent signs are Python’s', () => {
  const format = logFormat('%(levelname)-9s|%(levelno)05d|%(process)d|100%%|%(task_id)s')

  expect(format(entry)).toBe(`WARNING  |00030|${process.pid}|100%|???`)
})

test('a field that there is not is refused with those that there are', () => {
  expect(() => logFormat('%(thread_nmae)s')).toThrow(/no field 'thread_nmae'.*asctime.*message/)
  expect(() => logFormat('%(message')).toThrow(/ends within a field/)
})

test('json is one object per line, with what an error has to say', () => {
  const line = logFormat('json')({ ...entry, task, fields: { error: new Error('no'), count: 2 } })

  expect(line).not.toContain('\n')
  expect(JSON.parse(line)).toMatchObject({
    time: '2026-01-02T03:04:05.678Z',
    level: 'warn',
    pid: process.pid,
    taskName: 'mail.send',
    taskId: '7',
    message: 'hello',
    error: expect.stringContaining('Error: no') as string,
    count: 2,
  })
})

test('control characters of messages and names are shown, and only the format’s own colours reach the terminal', () => {
  const format = logFormat('%(task_name)s %(message)s', { isColoured: true })

  const line = format({ ...entry, message: 'a\u001B[2Jb', task: { name: 'x\u0007', id: '1' } })

  expect(line).toBe('x\\u0007 \u001B[33ma\\u001b[2Jb\u001B[0m')
})

test('a level is known by its name in any case, and by Python’s', () => {
  expect(['INFO', 'warning', 'Warn', 'CRITICAL', 'fatal', 'silent', 'loud'].map(logLevelOf)).toEqual([
    'info',
    'warn',
    'warn',
    'error',
    'error',
    'silent',
    undefined,
  ])
})

test('a task’s logger uses the format of tasks, also of a logger that has none', () => {
  const lines: string[] = []
  const push = (line: string): void => void lines.push(line)
  const own = lineLogger({
    level: 'info',
    now: () => entry.timeMs,
    write: push,
    format: logFormat('%(message)s'),
    taskFormat: logFormat('%(task_name)s/%(task_id)s: %(message)s'),
  })
  const plain = { debug: push, info: push, warn: push, error: push }

  own.info('one')
  loggerOfTask(own, task).info('two')
  loggerOfTask(own, task).debug('not this one')
  loggerOfTask(plain, task).info('three')

  expect(lines).toEqual(['one\n', 'mail.send/7: two\n', 'mail.send[7]: three'])
})
