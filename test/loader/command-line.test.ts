import { existsSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { runBin } from '../helpers/process.ts'
import { makeProject, type Project, temporaryFolder } from '../helpers/project.ts'
import { shop } from '../cli/shop.ts'
import { appSource, taskSource } from './load.ts'

const broken = {
  'app.ts': appSource('x'),
  'good.ts': taskSource('good', './app.ts'),
  'bad.ts': `${taskSource('bad', './app.ts')}\nthrow new TypeError('no good')\n`,
}

function tq(project: Project, args: readonly string[], env: Record<string, string> = {}): ReturnType<typeof runBin> {
  return runBin('tq', args, { cwd: project.folder, env, cleanEnv: true })
}

test('tq tasks prints the rest beside a module that throws, and exits 1 with its place', async () => {
  const project = makeProject(broken)

  const { code, stdout, stderr } = await tq(project, ['tasks'])
  const json = await tq(project, ['tasks', '--json'])

  expect(stdout).toMatch(/^good\(\)/m)
  expect(stderr).toContain('Could not import bad.ts:4; its tasks are not registered. TypeError: no good')
  expect(code).toBe(1)
  expect(JSON.parse(json.stdout)).toMatchObject({ failures: [{ file: project.path('bad.ts'), line: 4 }] })
})

test('a worker runs the tasks of the other modules', async () => {
  const { tq: run, worker } = shop({}, makeProject(broken).folder)
  const { stderr } = await worker()

  const { code, stdout } = await run(['call', 'good'])

  expect(stderr).toContain('bad.ts:4')
  expect({ code, stdout }).toEqual({ code: 0, stdout: 'good\n' })
})

test('an enum works where the project has tsx', async () => {
  const project = makeProject({
    'app.ts': appSource('x'),
    'a.ts': `import { app } from './app.ts'\nenum Colour { Red = 'red' }\nexport const a = app.task('a', () => Colour.Red)\n`,
  })
  project.install('tsx')

  const call = await tq(project, ['call', 'a', '--eager'])

  expect(call).toMatchObject({ code: 0, stdout: 'red\n', stderr: '' })
})

test('an enum in the app file itself works where the project has tsx, in the ephemeral worker too', async () => {
  const project = makeProject({
    'app.ts': `${appSource('x')}enum Colour { Red = 'red' }\nexport const a = app.task('a', () => Colour.Red)\n`,
  })
  project.install('tsx')

  const call = await tq(project, ['call', 'a'])

  expect(call).toMatchObject({ code: 0, stdout: 'red\n' })
})

test('what cannot be loaded is one sentence and exit 1', async () => {
  const project = makeProject({ 'one.ts': appSource('one'), 'two.ts': appSource('two') })

  const { code, stdout, stderr } = await tq(project, ['tasks'])

  expect(stderr).toMatch(/^2 files in \S+ make an app:\n {2}one\.ts\n {2}two\.ts\nSay which one with -A[^\n]*\n$/)
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
})

test('TQ_APP and -A name the app', async () => {
  const project = makeProject({
    'one.ts': `${appSource('one')}app.task('from.one', () => 1)\n`,
    'two.ts': `${appSource('two', `{ include: ['./two.ts'] }`)}app.task('from.two', () => 2)\n`,
  })

  const byFlag = await tq(project, ['tasks', '-A', 'two.ts'])
  const byEnv = await tq(project, ['tasks'], { TQ_APP: 'two.ts' })

  for (const { stdout } of [byFlag, byEnv]) expect(stdout).toMatch(/^from\.two\(\)/)
})

test('the file stands beside the package.json of the app, TQ_DB moves it', async () => {
  const project = makeProject({ 'app.ts': `${appSource('x')}app.task('here', () => 1)\n` })
  const other = join(temporaryFolder(), 'moved.db')

  await tq(project, ['call', 'here', '--no-wait'], { TQ_DB: other })
  const before = existsSync(project.path('.tq/tq.db'))
  await tq(project, ['call', 'here', '--no-wait'])

  expect(before).toBe(false)
  expect(existsSync(other)).toBe(true)
  expect(existsSync(project.path('.tq/tq.db'))).toBe(true)
})

test('an app file that is a symbolic link has its .tq/ beside the real file', async () => {
  const project = makeProject({ 'app.ts': `${appSource('x')}app.task('here', () => 1)\n` })
  const elsewhere = makeProject({})
  symlinkSync(project.path('app.ts'), elsewhere.path('link.ts'))

  await tq(elsewhere, ['call', 'here', '--no-wait', '-A', 'link.ts'])

  expect(existsSync(project.path('.tq/tq.db'))).toBe(true)
  expect(existsSync(elsewhere.path('.tq'))).toBe(false)
})
