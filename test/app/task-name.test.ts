import { expect, test } from 'vitest'
import { autoName } from '../../runtime/src/core/task-name.ts'
import { memoryApp } from '../../runtime/src/testing.ts'
import { define } from './fixtures/elsewhere.ts'
import { send } from './fixtures/names/jobs/mail/index.ts'
import { daily } from './fixtures/names/jobs/report.ts'

const nameError = (...parts: readonly string[]): unknown =>
  expect.objectContaining({
    code: 'TQ_TASK_NAME',
    message: expect.stringMatching(
      new RegExp(parts.map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('[\\s\\S]*')),
    ),
  })

/** What `define` throws. */
function thrownBy(act: () => unknown): unknown {
  try {
    act()
  } catch (error) {
    return error
  }
  return undefined
}

test('a task without a name is called after app, file and function', () => {
  expect(daily.taskName).toBe('proj.jobs.report.daily')
})

test('index is left out of the name', () => {
  expect(send.taskName).toBe('proj.jobs.mail.send')
})

test('a task defined outside the folder of the app needs a name, and is told which', () => {
  expect(thrownBy(define)).toEqual(nameError("'stray'", 'elsewhere.ts', 'outside', "app.task('proj.stray', ...)"))
})

test.each([
  ['/srv/proj/app.ts', '/srv/proj/app.ts', 'proj.app.add'],
  ['/srv/proj/index.ts', '/srv/proj/index.ts', 'proj.add'],
  ['/srv/proj/app.ts', '/srv/proj/jobs/index.js', 'proj.jobs.add'],
  ['/srv/proj/app.ts', '/srv/proj/jobs/deep/math.task.mts', 'proj.jobs.deep.math.task.add'],
])('with the app in %s, add in %s is %s', (appFile, taskFile, name) => {
  expect(autoName('proj', appFile, taskFile, 'add')).toBe(name)
})

test('an arrow function passed straight in is anonymous, and the literal to write is in the error', () => {
  const app = memoryApp('shop')

  expect(thrownBy(() => app.task((x: number) => x))).toEqual(nameError('anonymous', "app.task('shop.name', ...)"))
})

test('a task defined in no file needs a name', () => {
  expect(thrownBy(() => autoName('proj', undefined, undefined, 'add'))).toEqual(nameError("app.task('proj.add', ...)"))
})

test('an empty name is refused', () => {
  const app = memoryApp()

  expect(thrownBy(() => app.task('', (x: number) => x))).toEqual(nameError('cannot be empty'))
})

test("taskNames 'explicit' allows no automatic names, and all others", () => {
  const app = memoryApp('shop', { taskNames: 'explicit' })

  expect(thrownBy(() => app.task(function add() {}))).toEqual(nameError("'explicit'", "app.task('shop.add', ...)"))
  expect(app.task('math.add', function add() {}).taskName).toBe('math.add')
})
