import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { spawnProcess } from '../helpers/process.ts'
import { shop } from './shop.ts'

test('--help lists the commands on stdout', async () => {
  const { code, stdout, stderr } = await shop().tq(['--help'])

  for (const name of ['worker', 'call', 'result', 'status', 'events', 'tasks', 'queues', 'purge', 'report']) {
    expect(stdout).toMatch(new RegExp(`^  ${name}\\b`, 'm'))
  }
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
})

test('--version is one line', async () => {
  const { code, stdout } = await shop().tq(['--version'])

  expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) })
})

test('a mistyped command is a usage error with a suggestion', async () => {
  const { code, stdout, stderr } = await shop().tq(['wroker'])

  expect(stderr).toContain("unknown command 'wroker'")
  expect(stderr).toContain('Did you mean worker?')
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
})

test('a mistyped flag is a usage error with a suggestion', async () => {
  const { code, stdout, stderr } = await shop().tq(['call', 'math.add', '2', '2', '--timeuot', '1'])

  expect(stderr).toContain('Did you mean --timeout?')
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
})

test.each([
  [['worker', '-c', 'many'], 'expected a whole number'],
  [['worker', '-P', 'gevent'], 'Allowed choices are'],
  [['worker', '-l', 'loud'], 'expected debug, info, warn, error or silent'],
  [['worker', '--umask', '999'], 'expected --umask to be octal'],
  [['worker', '--uid', 'no-such-user'], 'There is no user no-such-user'],
  [['call'], "missing required argument 'task'"],
  [['status', 'extra'], 'too many arguments'],
  [['call', 'math.add', '--eta', 'tomorrowish'], 'expected a time such as'],
])('tq %j is a usage error that says why', async (args, reason) => {
  const { code, stdout, stderr } = await shop().tq(args)

  expect(stderr).toContain(reason)
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
})

test('an old Node is told so in one line', async () => {
  const bin = fileURLToPath(new URL('../../runtime/bin/tq.js', import.meta.url))
  const pretend = `Object.defineProperty(process,'versions',{value:{...process.versions,node:'20.19.2'}});Object.defineProperty(process,'version',{value:'v20.19.2'})`

  const old = spawnProcess(process.execPath, ['--import', `data:text/javascript,${encodeURIComponent(pretend)}`, bin])

  expect(await old.exit).toEqual({ code: 1, signal: null })
  expect(old.stderr).toBe('tq needs Node 22.18 or newer; this is v20.19.2.\n')
  expect(old.stdout).toBe('')
})
