import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { spawnProcess } from '../../helpers/process.ts'
import { temporaryFolder } from '../../helpers/project.ts'
import { requireService } from '../../helpers/services.ts'
import { countsFileVariable } from '../../reporter.ts'
import { type HostRun, runHostTests } from './host-tests.ts'

const sample = fileURLToPath(new URL('fixtures/sample', import.meta.url))

describe.skipIf(!requireService('workbench'))('a run inside the extension host', { timeout: 240_000 }, () => {
  test('fails with a test that fails', async () => {
    const run = await runSample('fails')

    expect(run.exit.code).toBe(1)
    expect(states(run)).toEqual({ 'a run passes': 'passed', 'a run fails': 'failed', 'a run passes too': 'passed' })
    expect(run.tests.find(({ state }) => state === 'failed')?.error).toContain('1 !== 2')
  })

  test('fails when the host exits in the middle, even with code 0', async () => {
    const run = await runSample('exits')

    expect(run.exit.code).toBe(1)
    expect(states(run)).toEqual({ 'a run passes': 'passed', 'a run exits': 'missing', 'a run passes too': 'missing' })
  })

  test('fails when a test never gives the thread back', async () => {
    const run = await runSample('hangs')

    expect(run.exit.code).toBe(1)
    expect(run.output).toContain('no result: the tests took longer than 3000 ms')
    expect(states(run)).toEqual({ 'a run passes': 'passed', 'a run hangs': 'missing', 'a run passes too': 'missing' })
  })
})

test('tests of the host count as those of the run that reports them', { timeout: 180_000 }, async () => {
  const counts = join(temporaryFolder(), 'counts.json')
  const reporter = fileURLToPath(new URL('../../reporter.ts', import.meta.url))
  const args = ['run', '--root', fileURLToPath(new URL('fixtures/reported', import.meta.url)), `--reporter=${reporter}`]

  const ran = spawnProcess('vitest', args, { env: { [countsFileVariable]: counts } })
  const exit = await ran.exit

  // Failed: b, c, and of each run that it did not end well.
  expect(JSON.parse(readFileSync(counts, 'utf8'))).toEqual({ passed: 1, failed: 4, skipped: 1 })
  expect(exit.code).toBe(1)
})

function runSample(behaviour: string): Promise<HostRun> {
  return runHostTests({
    files: ['behaviours.host.ts'],
    extension: sample,
    workspace: temporaryFolder(),
    env: { HOST_TEST_BEHAVIOUR: behaviour },
    limitMs: 3000,
  })
}

function states({ tests }: HostRun): Record<string, string> {
  return Object.fromEntries(tests.map(({ title, state }) => [title, state]))
}
