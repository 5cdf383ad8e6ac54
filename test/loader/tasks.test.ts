import { describe, expect, test } from 'vitest'
import { makeProject } from '../helpers/project.ts'
import { appSource, loader, taskSource } from './load.ts'

const load = loader()

describe('task modules are', () => {
  test('those that include names, relative to the app module', async () => {
    const project = makeProject({
      'src/app.ts': appSource('x', `{ include: ['./tasks/**/*.ts'] }`),
      'src/tasks/a.ts': taskSource('a', '../app.ts'),
      'src/tasks/deep/b.ts': taskSource('b', '../../app.ts'),
      'src/other.ts': taskSource('other', './app.ts'),
    })

    const { tasks, taskFiles } = await load(project)

    expect(tasks).toEqual(['a', 'b'])
    expect(taskFiles).toEqual([project.path('src/tasks/a.ts'), project.path('src/tasks/deep/b.ts')])
  })

  test('those that imports names', async () => {
    const project = makeProject({
      'app.ts': appSource('x', `{ imports: ['./a.ts'] }`),
      'a.ts': taskSource('a', './app.ts'),
      'b.ts': taskSource('b', './app.ts'),
    })

    expect(await load(project)).toMatchObject({ tasks: ['a'] })
  })

  test('those that autodiscoverTasks finds', async () => {
    const project = makeProject({
      'app.ts': `${appSource('x')}app.autodiscoverTasks()\n`,
      'mail/tasks.ts': taskSource('a', '../app.ts'),
      'orders/tasks/charge.ts': taskSource('b', '../../app.ts'),
      'orders/other.ts': taskSource('c', '../app.ts'),
    })

    expect(await load(project)).toMatchObject({ tasks: ['a', 'b'] })
  })

  test('without any of these, the files in which a definition is found', async () => {
    const project = makeProject({
      'src/app.ts': appSource('x'),
      'src/a.ts': taskSource('a', './app.ts'),
      'lib/b.js': taskSource('b', '../src/app.ts'),
      'src/plain.ts': `throw new Error('not a task module')\n`,
      'src/a.test.ts': taskSource('tested', './app.ts'),
    })

    const loaded = await load(project)

    expect(loaded).toMatchObject({ tasks: ['a', 'b'], failures: [] })
  })

  test('and those of -I', async () => {
    const project = makeProject({
      'app.ts': appSource('x', `{ include: ['./a.ts'] }`),
      'a.ts': taskSource('a', './app.ts'),
      'more/b.ts': taskSource('b', '../app.ts'),
    })

    expect(await load(project, { include: ['more/*.ts'] })).toMatchObject({ tasks: ['a', 'b'] })
  })

  test('the app module itself', async () => {
    const project = makeProject({ 'app.ts': `${appSource('x')}export const here = app.task('here', () => 1)\n` })

    expect(await load(project)).toMatchObject({ tasks: ['here'], exports: expect.arrayContaining(['app', 'here']) })
  })
})

test('a pattern that matches nothing is an error that names it', async () => {
  const project = makeProject({ 'app.ts': appSource('x', `{ include: ['./taks/*.ts'] }`) })

  expect((await load(project)).error).toBe(
    `LoadError: No file matches './taks/*.ts' (from include, imports or -I), looked for in ${project.folder}.`,
  )
})

test('a task module that throws is reported with file and line, the others stay registered', async () => {
  const project = makeProject({
    'app.ts': appSource('x'),
    'a.ts': taskSource('a', './app.ts'),
    'bad.ts': `${taskSource('bad', './app.ts')}\nnull.nothing\n`,
    'z.ts': taskSource('z', './app.ts'),
  })

  const { tasks, failures } = await load(project)

  expect(tasks).toEqual(expect.arrayContaining(['a', 'z']))
  expect(failures).toEqual([{ file: project.path('bad.ts'), line: 4, message: expect.stringMatching(/^TypeError: /) }])
})

test('a module that a task module imports and that is missing is told by name', async () => {
  const project = makeProject({
    'app.ts': appSource('x'),
    'bad.ts': `import './gone.ts'\n${taskSource('bad', './app.ts')}`,
  })

  const { failures } = await load(project)

  expect(failures).toEqual([
    expect.objectContaining({ file: project.path('bad.ts'), message: expect.stringContaining('gone.ts') }),
  ])
})

test('a name that two modules define is a failure with both places', async () => {
  const project = makeProject({
    'app.ts': appSource('x'),
    'a.ts': taskSource('same', './app.ts'),
    'b.ts': `import { app } from './app.ts'\nexport const other = app.task('same', () => 'another')\n`,
  })

  const { tasks, failures } = await load(project)

  expect(tasks).toEqual(['same'])
  expect(failures).toHaveLength(1)
  expect(failures[0]?.message).toMatch(
    /DuplicateTaskError: Task 'same' is defined twice: first at \S+a\.ts:2:\d+, again at \S+b\.ts:2:\d+/,
  )
})

test('a file without a name for its task is a failure, never a guess', async () => {
  const project = makeProject({
    'app.ts': appSource('x'),
    'a.ts': `import { app } from './app.ts'\nexport const a = app.task(() => 1)\n`,
  })

  const { tasks, failures } = await load(project)

  expect(tasks).toEqual([])
  expect(failures).toEqual([{ file: project.path('a.ts'), line: 2, message: expect.stringContaining('TaskNameError') }])
})

test('automatic names come from the path below the app', async () => {
  const project = makeProject({
    'src/app.ts': appSource('proj'),
    'src/jobs/mail.ts': `import { app } from '../app.ts'\nexport const send = app.task(function send() {})\n`,
    'src/jobs/index.ts': `import { app } from '../app.ts'\nexport const all = app.task(function all() {})\n`,
  })

  expect(await load(project)).toMatchObject({ tasks: ['proj.jobs.all', 'proj.jobs.mail.send'] })
})

test('shared tasks among the exports are adopted', async () => {
  const project = makeProject({
    'app.ts': appSource('x'),
    'shared.ts': `import { sharedTask } from 'tq-runtime'\nexport const common = sharedTask('common', () => 1)\n`,
  })

  expect(await load(project)).toMatchObject({ tasks: ['common'] })
})

test('two apps adopt one shared task', async () => {
  const project = makeProject({
    'left.ts': appSource('left'),
    'right.ts': appSource('right'),
    'shared.ts': `import { sharedTask } from 'tq-runtime'\nexport const common = sharedTask('common', () => 1)\n`,
  })

  expect(await load(project, { app: 'left.ts' })).toMatchObject({ main: 'left', tasks: ['common'] })
  expect(await load(project, { app: 'right.ts' })).toMatchObject({ main: 'right', tasks: ['common'] })
})

describe('TypeScript', () => {
  test('.js stands for .ts, and an extension may be left out', async () => {
    const project = makeProject({
      'app.ts': appSource('x'),
      'a.ts': `import { one } from './lib/one.js'\nimport { two } from './lib/two'\nimport { three } from './lib'\n${taskSource('a', './app')}void [one, two, three]\n`,
      'lib/one.ts': 'export const one: number = 1\n',
      'lib/two.ts': 'export const two: number = 2\n',
      'lib/index.ts': 'export const three: number = 3\n',
    })

    expect(await load(project)).toMatchObject({ tasks: ['a'], failures: [] })
  })

  test.each([
    ['an enum', 'enum Colour { Red }', 'enum'],
    ['a parameter property', 'class Box { constructor(readonly x: number) {} }', 'parameter propert'],
    ['a namespace', 'namespace Space { export const x = 1 }', 'namespace'],
    ['a decorator', 'const mark = (..._: unknown[]): void => {}\n@mark\nclass Marked {}', 'decorator'],
  ])('%s without tsx is named, with the two ways out', async (_title, code, construct) => {
    const project = makeProject({
      'app.ts': appSource('x'),
      'good.ts': taskSource('good', './app.ts'),
      'a.ts': `${taskSource('a', './app.ts')}${code}\n`,
    })

    const { tasks, failures } = await load(project)

    expect(tasks).toContain('good')
    expect(failures).toHaveLength(1)
    expect(failures[0]).toMatchObject({ file: project.path('a.ts') })
    expect(failures[0]?.message).toContain(construct)
    expect(failures[0]?.message).toContain('npm install --save-dev tsx')
    expect(failures[0]?.message).toContain('erasableSyntaxOnly')
  })

  test('a syntax error is told as one, not as a want of tsx', async () => {
    const project = makeProject({ 'app.ts': appSource('x'), 'a.ts': `${taskSource('a', './app.ts')}const = 1\n` })

    const { failures } = await load(project)

    expect(failures).toEqual([{ file: project.path('a.ts'), line: 3, message: expect.stringContaining('SyntaxError') }])
    expect(failures[0]?.message).not.toContain('tsx')
  })
})
