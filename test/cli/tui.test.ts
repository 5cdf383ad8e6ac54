import { expect, test } from 'vitest'
import { runBin } from '../helpers/process.ts'
import { shopFolder } from '../helpers/project.ts'

test('tq repl hands its arguments over to tq-tui and answers with its exit code', async () => {
  const good = await runBin('tq', ['repl', '--no-app', '-e', '1 + 1'], { cwd: shopFolder, cleanEnv: true })
  const bad = await runBin('tq', ['repl', '--no-app', '-e', 'throw new Error("no")'], {
    cwd: shopFolder,
    cleanEnv: true,
  })

  expect(good).toMatchObject({ code: 0, stdout: '2\n' })
  expect(bad.code).toBe(1)
  expect(bad.stderr).toContain('no')
})

test('tq repl evaluates piped lines', async () => {
  const ran = await runBin('tq', ['repl', '--no-app'], { cwd: shopFolder, cleanEnv: true, input: '20 + 1\n' })

  expect(ran).toMatchObject({ code: 0, stdout: '21\n' })
})
