import { existsSync } from 'node:fs'
import { expect, test } from 'vitest'
import { groupMembers } from '../../helpers/process-group.ts'
import { makeProject } from '../../helpers/project.ts'
import { waitFor } from '../../helpers/wait.ts'
import { copyShop, json, protocol, startSidecar } from './sidecar.ts'

test('user code that hangs at import is ended and said', async () => {
  const shop = copyShop()
  shop.write(
    'src/tasks/hang.ts',
    `import { app } from '../app.ts'\nfor (;;) {}\nexport const hang = app.task('hang', () => 1)`,
  )
  const sidecar = await startSidecar({ paths: [shop.folder] })

  const end = await sidecar.run({ folder: shop.folder, task: 'math.add', args: [json(1), json(1)] })

  expect(end).toMatchObject({
    state: 'ERROR',
    text: "The project's code did not finish loading within 15 s and was ended: does a module loop or wait while it is imported?",
  })
  await sidecar.next(protocol.logged, ({ text }) => /was not ready within 15 s and was ended/.test(text))
  await sidecar.end()
})

test('the end of the sidecar ends user code that hangs', async () => {
  const project = makeProject({
    'app.ts': `import { Tq } from 'tq-runtime'\nexport const app = new Tq('x', { brokerUrl: process.env.NOT_SET ?? 'sqlite:x.db' })\nfor (;;) {}`,
  })
  const sidecar = await startSidecar({ paths: [project.folder] })

  const group = (): number => groupMembers(sidecar.process.pid).length
  await waitFor(() => group() === 3, { what: 'the child that learns the settings' })

  await sidecar.end()

  expect(group()).toBe(0)
})

test('the end of the sidecar ends its worker, whatever that does', async () => {
  const shop = copyShop()
  const sidecar = await startSidecar({ paths: [shop.folder] })
  await sidecar.connection.sendRequest(protocol.run, {
    runId: 'slow',
    folder: shop.folder,
    task: 'reports.slow',
    args: [json(60)],
  })
  await sidecar.next(protocol.runUpdated, ({ state }) => state === 'STARTED')

  await sidecar.end()

  expect(groupMembers(sidecar.process.pid)).toEqual([])
})

test('what a sidecar that is killed leaves behind ends by itself', async () => {
  const shop = copyShop()
  const sidecar = await startSidecar({ paths: [shop.folder] })
  await sidecar.run({ folder: shop.folder, task: 'math.add', args: [json(1), json(1)] })
  expect(groupMembers(sidecar.process.pid).length).toBeGreaterThan(2)

  sidecar.process.kill('SIGKILL')

  await waitFor(() => groupMembers(sidecar.process.pid).length === 0, { what: 'its children to end' })
})

test('user code that prints without end is cut, once', async () => {
  const shop = copyShop()
  shop.write(
    'src/tasks/loud.ts',
    `import { app } from '../app.ts'
for (let i = 0; i < 20_000; i++) console.log('\\u001b[2Jnoise '.repeat(20))
export const loud = app.task('loud', () => 'done')`,
  )
  const sidecar = await startSidecar({ paths: [shop.folder] })

  const end = await sidecar.run({ folder: shop.folder, task: 'loud', args: [] })

  const printed = sidecar.of(protocol.logged).filter(({ level }) => level === 'output')
  expect(end).toMatchObject({ state: 'SUCCESS', text: "'done'" })
  expect(printed.map(({ text }) => text).join('').length).toBeLessThan(400_000)
  expect(printed.filter(({ text }) => text.includes('left out')).length).toBeGreaterThan(0)
  expect(printed.filter(({ text }) => text.includes('\u001b'))).toEqual([])
})

test('user code that ends its process at import is an error with the code', async () => {
  const shop = copyShop()
  shop.write(
    'src/tasks/exit.ts',
    `import { app } from '../app.ts'\nconsole.error('no luck')\nprocess.exit(3)\nexport const exit = app.task('exit', () => 1)`,
  )
  const sidecar = await startSidecar({ paths: [shop.folder] })

  const end = await sidecar.run({ folder: shop.folder, task: 'math.add', args: [json(1), json(1)] })

  expect(end).toMatchObject({
    state: 'ERROR',
    text: "The project's code ended the process (code 3) before the task was sent.",
    detail: expect.stringContaining('no luck'),
  })
})

test('an app that throws is an error with its place', async () => {
  const shop = copyShop()
  shop.write(
    'src/app.ts',
    `import { Tq } from 'tq-runtime'\nexport const app = new Tq('shop')\nthrow new Error('broken at the root')`,
  )
  const sidecar = await startSidecar({ paths: [shop.folder] })

  const end = await sidecar.run({ folder: shop.folder, task: 'math.add', args: [json(1), json(1)] })

  expect(end.state).toBe('ERROR')
  expect(end.text).toMatch(/^Could not import the app .*src\/app\.ts:3\. Error: broken at the root/)
  expect(end.detail).toContain('src/app.ts:3')
})

test('a task module that throws is named when its task is run', async () => {
  const shop = copyShop()
  shop.write(
    'src/tasks/math.ts',
    `import { app } from '../app.ts'\nexport const add = app.task('math.add', () => 1)\nthrow new TypeError('bad day')`,
  )
  shop.write('src/tasks/math2.ts', `throw new TypeError('worse day')`)
  const sidecar = await startSidecar({ paths: [shop.folder] })

  const end = await sidecar.run({ folder: shop.folder, task: 'math.sub', args: [] })

  expect(end.state).toBe('ERROR')
  expect(end.text).toMatch(
    /^Task 'math\.sub' is not registered with app 'shop' .* Could not import src\/tasks\/math\.ts:3\. TypeError: bad day/,
  )
  expect(end.detail).toContain('src/tasks/math2.ts:1')
})

test('in a workspace that is not trusted nothing of it runs', async () => {
  const project = makeProject({
    'app.ts': `import { writeFileSync } from 'node:fs'
import { Tq } from 'tq-runtime'
writeFileSync(new URL('marker', import.meta.url), '')
export const app = new Tq('x', { brokerUrl: process.env.SOMETHING ?? 'sqlite:x.db' })
export const add = app.task('add', (x: number) => x)`,
    'node_modules/.bin/node': '#!/bin/sh\ntouch "$(dirname "$0")/../../marker"\n',
  })
  const sidecar = await startSidecar({ paths: [project.folder], trusted: false })

  const [scan] = sidecar.of(protocol.scanned)
  expect(scan?.result.tasks).toMatchObject([{ name: 'add' }])
  const target = `${project.folder}#app.ts#app`
  const run = sidecar.connection.sendRequest(protocol.run, {
    runId: 'r',
    folder: project.folder,
    target,
    task: 'add',
    args: [],
  })
  sidecar.tell(protocol.aboutToRun, { folder: project.folder, target })
  await expect(run).rejects.toThrow('This workspace is not trusted: trust it to run a task.')
  await expect(sidecar.connection.sendRequest(protocol.startWorker, { target })).rejects.toThrow(/not trusted/)
  await expect(sidecar.connection.sendRequest(protocol.fullText, { id: 'x', target })).rejects.toThrow(/not trusted/)
  await sidecar.end()
  expect(existsSync(project.path('marker'))).toBe(false)
  expect(existsSync(project.path('node_modules/.cache'))).toBe(false)
  expect(existsSync(project.path('.tq'))).toBe(false)
})
