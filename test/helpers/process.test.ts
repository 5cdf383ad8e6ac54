import { expect, onTestFinished, test } from 'vitest'
import { childEnv, spawnNode } from './process.ts'
import { groupMembers } from './process-group.ts'
import { leaveNothingRunning } from './running-process.ts'
import { waitFor } from './wait.ts'

const forever = 'setInterval(() => {}, 1000)'
const withChild = (then: string): string =>
  `const child = require('node:child_process').spawn(process.execPath, ['-e', '${forever}'], { stdio: 'ignore' })
   child.on('spawn', () => { console.log('child', child.pid); ${then} })`

test('a line is found whether it was written before or after the wait began', async () => {
  const program = spawnNode(['-e', `console.log('one'); process.stdin.on('data', () => console.error('two'))`])

  expect(await program.waitForLine('one')).toBe('one')
  program.write('\n')
  expect(await program.waitForLine(/^tw/)).toBe('two')
  expect(await program.waitForLine('one')).toBe('one')
})

test('waiting for a line fails with the output when the program ends', async () => {
  const program = spawnNode(['-e', `console.error('no such file'); process.exitCode = 3`])

  await expect(program.waitForLine('ready')).rejects.toThrow(/ended with code 3.*ready[\s\S]*no such file/)
  expect(await program.exit).toEqual({ code: 3, signal: null })
})

test('a program that ignores SIGTERM is killed after the grace', async () => {
  const program = spawnNode(['-e', `process.on('SIGTERM', () => {}); console.log('up'); ${forever}`])
  await program.waitForLine('up')

  expect(await program.stop(50)).toEqual({ code: null, signal: 'SIGKILL' })
})

test('the children of a killed group end with it', async () => {
  const program = spawnNode(['-e', withChild(forever)])
  await program.waitForLine('child')

  await program.stop(0)

  await waitFor(() => groupMembers(program.pid).length === 0, { what: 'the group to end' })
})

test('a program that ends and leaves a child behind is reported, and the child is ended', async () => {
  const program = spawnNode(['-e', withChild('process.exit(0)')])
  const child = Number((await program.waitForLine('child')).split(' ')[1])

  await program.stop()

  await expect(leaveNothingRunning()).rejects.toThrow(`${child} of its process group`)
  await waitFor(() => groupMembers(program.pid).length === 0, { what: 'the orphan to end' })
})

test('a program that was never stopped is reported, and it is ended', async () => {
  const program = spawnNode(['-e', forever])

  await expect(leaveNothingRunning()).rejects.toThrow(`(pid ${program.pid}) was never stopped`)

  expect(await program.exit).toEqual({ code: null, signal: 'SIGKILL' })
})

test('a child has nothing of the test runner in its environment, and on request no terminal flags', () => {
  process.env['TQ_BROKER_URL'] = 'redis://elsewhere'
  process.env['NO_COLOR'] = '1'
  onTestFinished(() => {
    delete process.env['TQ_BROKER_URL']
    delete process.env['NO_COLOR']
  })

  expect(childEnv()).toMatchObject({ NO_COLOR: '1', PATH: process.env['PATH'] })
  expect(Object.keys(childEnv()).filter((name) => /VITEST|TQ_/.test(name))).toEqual([])
  expect(childEnv({ cleanEnv: true, env: { TQ_QUEUE: 'a' } })).not.toHaveProperty('NO_COLOR')
  expect(childEnv({ env: { TQ_QUEUE: 'a' } })).toHaveProperty('TQ_QUEUE', 'a')
})
