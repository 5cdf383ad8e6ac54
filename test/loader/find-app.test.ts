import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { makeProject, temporaryFolder } from '../helpers/project.ts'
import { appSource, loader } from './load.ts'

const load = loader()

const two = { 'one.ts': appSource('one'), 'two.ts': appSource('two') }

describe('the app is named by', () => {
  test('-A file', async () => {
    expect(await load(makeProject(two), { app: 'two.ts' })).toMatchObject({ main: 'two' })
  })

  test('-A file without its extension', async () => {
    expect(await load(makeProject(two), { app: './two' })).toMatchObject({ main: 'two' })
  })

  test('-A folder with an index', async () => {
    expect(await load(makeProject({ 'src/index.ts': appSource('inside') }), { app: 'src' })).toMatchObject({
      main: 'inside',
    })
  })

  test('-A file:export', async () => {
    const project = makeProject({
      'apps.ts': `import { Tq } from 'tq-runtime'\nexport const left = new Tq('left')\nexport const right = new Tq('right')\n`,
    })

    expect(await load(project, { app: 'apps.ts:right' })).toMatchObject({ main: 'right' })
  })

  test('-A file:function that makes one, now or later', async () => {
    const project = makeProject({
      'make.ts': `import { Tq } from 'tq-runtime'\nexport const make = () => new Tq('made')\nexport const later = async () => new Tq('later')\n`,
    })

    expect(await load(project, { app: 'make.ts:make' })).toMatchObject({ main: 'made' })
    expect(await load(project, { app: 'make.ts:later' })).toMatchObject({ main: 'later' })
  })

  test('TQ_APP, over which -A wins', async () => {
    const project = makeProject(two)

    expect(await load(project, { env: { TQ_APP: 'two.ts' } })).toMatchObject({ main: 'two' })
    expect(await load(project, { app: 'one.ts', env: { TQ_APP: 'two.ts' } })).toMatchObject({ main: 'one' })
  })

  test('tq.app in package.json, relative to it from any folder below', async () => {
    const project = makeProject({
      ...two,
      'package.json': '{ "type": "module", "tq": { "app": "two.ts" } }',
      'deep/down/note.txt': '',
    })

    expect(await load(project)).toMatchObject({ main: 'two' })
    expect(await load(project, { cwd: 'deep/down' })).toMatchObject({ main: 'two' })
    expect(await load(project, { env: { TQ_APP: 'one.ts' } })).toMatchObject({ main: 'one' })
  })

  test('tq.config.ts, which says where it is', async () => {
    expect(await load(makeProject({ ...two, 'tq.config.ts': `export default { app: './two.ts' }\n` }))).toMatchObject({
      main: 'two',
    })
  })

  test('tq.config.ts, which makes it', async () => {
    expect(await load(makeProject({ ...two, 'tq.config.ts': appSource('configured') }))).toMatchObject({
      main: 'configured',
    })
  })

  test('a default export', async () => {
    const project = makeProject({ 'app.ts': `import { Tq } from 'tq-runtime'\nexport default new Tq('default')\n` })

    expect(await load(project, { app: 'app.ts' })).toMatchObject({ main: 'default' })
  })
})

describe('without a name it is searched', () => {
  test('in the files of the project, but not in tests, declarations and dependencies', async () => {
    const project = makeProject({
      'src/app.ts': appSource('found'),
      'src/app.test.ts': appSource('test'),
      'src/types.d.ts': '// new Tq(',
      'dist/app.js': appSource('built'),
      'node_modules/other/app.js': appSource('dependency'),
      '.hidden/app.ts': appSource('hidden'),
    })

    expect(await load(project)).toMatchObject({ main: 'found', file: project.path('src/app.ts') })
  })

  test('in what .gitignore leaves, without git', async () => {
    const project = makeProject({
      'src/app.ts': appSource('found'),
      'generated/app.ts': appSource('generated'),
      'src/old/app.ts': appSource('old'),
      'src/old/kept.txt': '',
      '.gitignore': '/generated/\n',
      'src/.gitignore': 'old/*.ts\n',
    })

    expect(await load(project)).toMatchObject({ main: 'found' })
  })

  test('in what git lists or would list', async () => {
    const project = makeProject({
      'src/app.ts': appSource('found'),
      'ignored/app.ts': appSource('ignored'),
      '.gitignore': 'ignored\nnode_modules\n',
    })
    execFileSync('git', ['init', '-q', project.folder])

    expect(await load(project)).toMatchObject({ main: 'found' })
    execFileSync('git', ['-C', project.folder, 'add', '.'])
    expect(await load(project)).toMatchObject({ main: 'found' })
  })

  test('in what git has although .gitignore names it', async () => {
    const project = makeProject({ 'generated/app.ts': appSource('kept'), '.gitignore': 'generated\nnode_modules\n' })
    execFileSync('git', ['init', '-q', project.folder])
    execFileSync('git', ['-C', project.folder, 'add', '-f', 'generated/app.ts'])

    expect(await load(project)).toMatchObject({ main: 'kept' })
  })

  test('in the files of a project that a repository further up ignores', async () => {
    const outer = makeProject({
      '.gitignore': '*\n',
      'inner/package.json': '{ "type": "module" }',
      'inner/app.ts': appSource('inner'),
    })
    execFileSync('git', ['init', '-q', outer.folder])

    expect(await load(outer, { cwd: 'inner' })).toMatchObject({ main: 'inner' })
  })

  test('two hits are an error that lists both and the ways out', async () => {
    const { error } = await load(makeProject(two))

    expect(error).toMatch(
      /^LoadError: 2 files in \S+ make an app:\n {2}one\.ts\n {2}two\.ts\nSay which one with -A, TQ_APP, or "tq": /,
    )
  })

  test('no hit is an error with the ways out', async () => {
    const project = makeProject({ 'index.ts': 'export const nothing = 1\n' })

    const { error } = await load(project)

    expect(error).toContain(`LoadError: No tq app was found in ${project.folder}`)
    for (const way of ['-A', 'TQ_APP', 'package.json']) expect(error).toContain(way)
  })

  test('what was found is remembered until the file changes', async () => {
    const project = makeProject({ 'one.ts': appSource('one') })
    const memory = project.path('.tq/app.json')
    await load(project)
    project.write('two.ts', appSource('two'))

    const remembered = await load(project)
    utimesSync(project.path('one.ts'), 1, 1)
    const searched = await load(project)

    expect(JSON.parse(readFileSync(memory, 'utf8'))).toMatchObject({ app: project.path('one.ts') })
    expect(remembered).toMatchObject({ main: 'one' })
    expect(searched.error).toContain('2 files')
  })

  test('a change of size alone is seen, too', async () => {
    const project = makeProject({ 'one.ts': appSource('one') })
    utimesSync(project.path('one.ts'), 1000, 1000)
    await load(project)
    writeFileSync(project.path('one.ts'), 'export {}\n')
    utimesSync(project.path('one.ts'), 1000, 1000)
    project.write('two.ts', appSource('two'))

    expect(await load(project)).toMatchObject({ main: 'two' })
  })

  test('a damaged memory is as good as none', async () => {
    const project = makeProject({ 'one.ts': appSource('one'), '.tq/app.json': 'not JSON' })

    expect(await load(project)).toMatchObject({ main: 'one' })
  })

  test('.tq/ is private and ignored by git', async () => {
    const project = makeProject({ 'one.ts': appSource('one') })

    await load(project)

    expect(statSync(project.path('.tq')).mode & 0o777).toBe(0o700)
    expect(readFileSync(project.path('.tq/.gitignore'), 'utf8')).toBe('*\n')
  })
})

describe('what is named and is no app', () => {
  test.each([
    ['missing.ts', /missing\.ts/],
    ['plain.ts', /plain\.ts exports no tq app\. Export it/],
    ['plain.ts:value', /Export 'value' of \S+plain\.ts is no tq app/],
    ['apps.ts', /apps\.ts exports 2 apps: left, right\. Say which one: -A \S+apps\.ts:left/],
  ])('-A %s is an error that says so', async (app, text) => {
    const project = makeProject({
      'plain.ts': 'export const value = 1\n',
      'apps.ts': `import { Tq } from 'tq-runtime'\nexport const left = new Tq('left')\nexport const right = new Tq('right')\n`,
    })

    expect((await load(project, { app })).error).toMatch(text)
  })

  test('an app file that throws is an error with its line', async () => {
    const project = makeProject({
      'app.ts': `import { Tq } from 'tq-runtime'\nexport const app = new Tq('x')\nthrow new RangeError('too far')\n`,
    })

    expect((await load(project, { app: 'app.ts' })).error).toBe(
      `LoadError: Could not import the app ${project.path('app.ts')}:3. RangeError: too far`,
    )
  })

  test('a mistyped setting is an error with a suggestion', async () => {
    const project = makeProject({ 'app.ts': appSource('x', '{ taskAckLate: true } as object') })

    expect((await load(project, { app: 'app.ts' })).error).toMatch(/app\.ts:2\. SettingError: .*taskAcksLate/)
  })

  test('a syntax error in the app file is an error with its line', async () => {
    const project = makeProject({ 'app.ts': `import { Tq } from 'tq-runtime'\n\nexport const app = = new Tq('x')\n` })

    expect((await load(project, { app: 'app.ts' })).error).toMatch(
      /^LoadError: Could not import the app \S+app\.ts:3\. SyntaxError/,
    )
  })
})

describe('the folder of the project', () => {
  test('is that of the package.json nearest to the app, in a monorepo too', async () => {
    const project = makeProject({
      'packages/worker/package.json': '{ "type": "module" }',
      'packages/worker/src/app.ts': appSource('sub'),
    })

    const fromAbove = await load(project, { app: 'packages/worker/src/app.ts' })
    const fromInside = await load(project, { cwd: 'packages/worker' })

    for (const loaded of [fromAbove, fromInside]) {
      expect(loaded).toMatchObject({
        projectFolder: project.path('packages/worker'),
        db: project.path('packages/worker/.tq/tq.db'),
      })
    }
  })

  test('is that of the real file where the app file is a symbolic link', async () => {
    const project = makeProject({ 'app.ts': appSource('real') })
    const elsewhere = temporaryFolder()
    symlinkSync(project.path('app.ts'), join(elsewhere, 'link.ts'))

    const loaded = await load(project, { app: join(elsewhere, 'link.ts') })

    expect(loaded).toMatchObject({ main: 'real', file: project.path('app.ts'), db: project.path('.tq/tq.db') })
    expect(existsSync(join(elsewhere, '.tq'))).toBe(false)
  })
})
