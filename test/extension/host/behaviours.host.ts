/** The tests that host-tests.test.ts holds up to the runner: one that passes, then the one named by the environment. */
import assert from 'node:assert/strict'
import { suite, test } from 'mocha'
import { extensions } from 'vscode'

suite('a run', () => {
  test('passes', async () => {
    assert.deepEqual(await extensions.getExtension('tq.sample')?.activate(), { active: true })
  })

  switch (process.env['HOST_TEST_BEHAVIOUR']) {
    case 'fails':
      test('fails', () => assert.equal(1, 2))
      break
    case 'exits':
      test('exits', () => process.exit(0))
      break
    case 'hangs':
      test('hangs', () => {
        for (;;);
      })
      break
    default:
  }

  test('passes too', () => {})
})
