import { expect, test } from 'vitest'
import { type Logger, taskLogger } from '../../runtime/src/index.ts'
import { bench } from '../helpers/app.ts'

function into(lines: string[], name: string): Logger {
  const push = (text: string): void => void lines.push(`${name}: ${text}`)
  return { debug: push, info: push, warn: push, error: push }
}

test('taskLogger and self.logger say which task speaks, and outside a task the former speaks for itself', async () => {
  const lines: string[] = []
  const log = taskLogger(into(lines, 'outside'))
  const { app, worker, ready } = bench({ logger: into(lines, 'app') })
  const task = app.task('t.speak', { bind: true }, async (self) => {
    await self.sleep(1)
    log.info('from the module')
    self.logger.warn('from the task')
  })
  await worker()
  log.info('before')

  const result = await task.delay()
  await ready(result)

  const said = lines.filter((line) => line.includes('from') || line.includes('before'))
  expect(said).toEqual([
    'outside: before',
    `app: t.speak[${result.id}]: from the module`,
    `app: t.speak[${result.id}]: from the task`,
  ])
})
