import { expect, onTestFinished, test } from 'vitest'
import { prepare } from '../../runtime/src/app/send.ts'
import { memoryApp, VirtualClock } from '../../runtime/src/testing.ts'

test('a call that expires tells brokers how long its message may live, any other does not', () => {
  const app = memoryApp('expiration', { clock: new VirtualClock() })
  onTestFinished(() => app.close())

  const limited = prepare(app, { task: 't', args: [], options: { expires: 60 } })
  const unlimited = prepare(app, { task: 't', args: [], options: {} })

  expect(limited.raw.properties.expirationMs).toBe(60_000)
  expect(unlimited.raw.properties.expirationMs).toBeUndefined()
})
