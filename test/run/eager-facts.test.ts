import { expect, onTestFinished, test } from 'vitest'
import { memoryApp } from '../../runtime/src/testing.ts'
import { followNote } from '../../tui/src/repl/notes.ts'

test('an eager call tells its attempts and the time that its retries would have taken', async () => {
  const app = memoryApp('facts', { taskAlwaysEager: true })
  onTestFinished(() => app.close())
  const flaky = app.task('flaky', { bind: true, maxRetries: 3 }, (self) =>
    self.retry({ countdown: 2 ** self.retries, exc: new Error('odd') }),
  )
  const plain = app.task('plain', () => 1)

  const [retried, straight] = [await flaky.delay(), await plain.delay()]

  expect(retried.eager).toEqual({ attempts: 4, simulatedMs: 7000 })
  expect(straight.eager).toEqual({ attempts: 1, simulatedMs: 0 })
})

test('the REPL says so behind the value', () => {
  const simulated = { attempts: 4, simulatedMs: 7000 }

  expect(followNote({ taskId: 'x', eager: true, simulated }, 12)).toBe(
    '12 ms · eager · 4 attempts, 7 s of simulated time',
  )
  expect(followNote({ taskId: 'x', eager: true, simulated: { attempts: 1, simulatedMs: 0 } }, 12)).toBe('12 ms · eager')
})
