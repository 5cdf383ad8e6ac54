import { chmodSync, existsSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { ScanDiff, ScanResult } from '../../runtime/src/scan/index.ts'
import { appText, folderOf, taskText } from './folder.ts'

const names = ({ tasks }: ScanResult): readonly (string | undefined)[] => tasks.map((one) => one.name)
const codes = (diff: ScanDiff): unknown =>
  Object.fromEntries(diff.diagnostics.map((one) => [one.file, one.diagnostics.map(({ code }) => code)]))

describe('an open buffer', () => {
  test('counts instead of the file, and the file again when it is closed', async () => {
    const folder = folderOf({ 'app.ts': appText, 'tasks.ts': taskText('one') })
    const scanner = await folder.scan()

    const changed = await scanner.change('tasks.ts', taskText('two'), 1)
    const closed = scanner.close('tasks.ts')

    expect(changed).toMatchObject({ versions: { 'tasks.ts': 1 }, changed: [{ name: 'two' }], added: [], removed: [] })
    expect(closed).toMatchObject({ versions: {}, changed: [{ name: 'one' }] })
  })

  test('may be known by its absolute path, and be no file yet', async () => {
    const folder = folderOf({ 'app.ts': appText })
    const scanner = await folder.scan()

    const diff = await scanner.change(join(folder.path, 'new.ts'), taskText('new'), 1)

    expect(diff.added).toMatchObject([{ id: 'new.ts#task', name: 'new' }])
  })

  test('is not overtaken by an older version or by the file on disk', async () => {
    const folder = folderOf({ 'app.ts': appText, 'tasks.ts': taskText('one') })
    const scanner = await folder.scan()
    await scanner.change('tasks.ts', taskText('newest'), 7)

    await scanner.change('tasks.ts', taskText('older'), 6)
    await scanner.fsEvents([{ file: 'tasks.ts', kind: 'changed' }])

    expect(names(scanner.snapshot())).toEqual(['newest'])
  })

  test('outside the folder or ignored by git changes nothing', async () => {
    const folder = folderOf({ 'app.ts': appText, '.gitignore': 'made/\n', 'made/tasks.ts': taskText('made') })
    const scanner = await folder.scan()

    const outside = await scanner.change('/elsewhere/tasks.ts', taskText('one'), 1)
    const ignored = await scanner.change('made/tasks.ts', taskText('two'), 1)

    expect([outside.added, ignored.added]).toEqual([[], []])
  })

  test('has ranges that count from behind a byte order mark, with any line ends', async () => {
    const text = `\uFEFF${taskText('one').replaceAll('\n', '\r\n')}`
    const scanner = await folderOf({ 'app.ts': appText, 'tasks.ts': text }).scan()

    const [task] = scanner.snapshot().tasks

    const { start, end, line, column } = task?.nameRange ?? { start: 0, end: 0 }
    expect(text.slice(1).slice(start, end)).toBe("'one'")
    expect([line, column]).toEqual([3, 30])
  })
})

describe('half-typed source', () => {
  const whole = taskText('one')

  test.each([
    whole.slice(0, -20),
    "import { app } from './app.ts'\nexport const task = app.",
    whole.replace("'one'", "'on"),
  ])('keeps the last good summary, marked stale: %s', async (text) => {
    const scanner = await folderOf({ 'app.ts': appText, 'tasks.ts': whole }).scan()

    const diff = await scanner.change('tasks.ts', text, 1)

    expect(diff.removed).toEqual([])
    expect(diff.stale).toEqual(['tasks.ts'])
    expect(scanner.snapshot().tasks).toMatchObject([{ name: 'one', stale: true }])
  })

  test('is no longer stale when it can be parsed', async () => {
    const scanner = await folderOf({ 'app.ts': appText, 'tasks.ts': whole }).scan()
    await scanner.change('tasks.ts', whole.slice(0, -20), 1)

    const diff = await scanner.change('tasks.ts', taskText('two'), 2)

    expect(diff.stale).toEqual([])
    expect(diff.changed).toMatchObject([{ name: 'two' }])
    expect(diff.changed[0]).not.toHaveProperty('stale')
  })

  test('of constants does not make the names that rest on them flicker', async () => {
    const names = "export const ADD = 'math.add'\n"
    const tasks =
      "import { app } from './app.ts'\nimport { ADD } from './names.ts'\nexport const add = app.task(ADD, () => 0)\n"
    const scanner = await folderOf({ 'app.ts': appText, 'names.ts': names, 'tasks.ts': tasks }).scan()

    const diff = await scanner.change('names.ts', 'export const = 3', 1)

    expect(diff.changed).toEqual([])
    expect(diff.stale).toEqual(['names.ts'])
  })

  test('that really lost a definition loses it', async () => {
    const scanner = await folderOf({ 'app.ts': appText, 'tasks.ts': whole }).scan()

    const diff = await scanner.change('tasks.ts', "import { app } from './app.ts'\n", 1)

    expect(diff.removed).toEqual(['tasks.ts#task'])
  })
})

describe('links between files', () => {
  const tasks =
    "import { app } from './app.ts'\nimport { ADD } from './names'\nexport const add = app.task(ADD, () => 0)\n"

  test('a constant that changes renames the tasks made of it', async () => {
    const scanner = await folderOf({
      'app.ts': appText,
      'names.ts': "export const ADD = 'one'\n",
      'tasks.ts': tasks,
    }).scan()

    const diff = await scanner.change('names.ts', "export const ADD = 'two'\n", 1)

    expect(diff.changed).toMatchObject([{ id: 'tasks.ts#add', name: 'two' }])
  })

  test('a file that appears is found by those that looked for it', async () => {
    const folder = folderOf({ 'app.ts': appText, 'tasks.ts': tasks })
    const scanner = await folder.scan()
    const before = scanner.snapshot().tasks[0]?.naming
    folder.write('names/index.ts', "export const ADD = 'found'\n")

    const diff = await scanner.fsEvents([{ file: 'names/index.ts', kind: 'created' }])

    expect(before).toBe('dynamic')
    expect(diff.changed).toMatchObject([{ name: 'found', naming: 'constant' }])
  })

  test('a deleted file takes its definitions and its constants with it', async () => {
    const folder = folderOf({ 'app.ts': appText, 'names.ts': "export const ADD = 'one'\n", 'tasks.ts': tasks })
    const scanner = await folder.scan()
    folder.remove('names.ts')
    const constant = await scanner.fsEvents([{ file: 'names.ts', kind: 'deleted' }])
    folder.remove('tasks.ts')

    const definition = await scanner.fsEvents([{ file: join(folder.path, 'tasks.ts'), kind: 'deleted' }])

    expect(constant.changed).toMatchObject([{ naming: 'dynamic' }])
    expect(definition.removed).toEqual(['tasks.ts#add'])
  })

  test('a comment in a file that all import links nothing again', async () => {
    const scanner = await folderOf({ 'app.ts': appText, 'tasks.ts': taskText('one') }).scan()

    const diff = await scanner.change('app.ts', `${appText}\n// more\n`, 1)

    expect({ ...diff, generation: 0 }).toEqual({
      generation: 0,
      versions: { 'app.ts': 1 },
      added: [],
      changed: [],
      removed: [],
      calls: [],
      diagnostics: [],
    })
  })

  test('an alias of task that is exported later is followed into files that had nothing of interest', async () => {
    const scanner = await folderOf({
      'app.ts': appText,
      'make.ts': 'export {}\n',
      'jobs.ts': "import { mk } from './make.ts'\n\nexport const add = mk('math.add', () => 0)\n",
    }).scan()

    const diff = await scanner.change(
      'make.ts',
      "import { app } from './app.ts'\nexport const mk = app.task.bind(app)\n",
      1,
    )

    expect(diff.added).toMatchObject([{ id: 'jobs.ts#add', name: 'math.add' }])
  })

  test('a path alias that is added to tsconfig.json is used at once', async () => {
    const folder = folderOf({
      'tsconfig.json': '{}',
      'src/app.ts': appText,
      'src/tasks.ts': "import { app } from '@own/app'\nexport const add = app.task('math.add', () => 0)\n",
    })
    const scanner = await folder.scan()
    folder.write('tsconfig.json', '{ "compilerOptions": { "paths": { "@own/*": ["./src/*"] } } }')

    const diff = await scanner.fsEvents([{ file: 'tsconfig.json', kind: 'changed' }])

    expect(diff.added).toMatchObject([{ name: 'math.add' }])
  })
})

describe('collisions', () => {
  test('come and go with the names, in both files', async () => {
    const scanner = await folderOf({
      'app.ts': appText,
      'one.ts': taskText('same'),
      'two.ts': taskText('other'),
    }).scan()

    const clash = await scanner.change('two.ts', taskText('same'), 1)
    const peace = await scanner.change('two.ts', taskText('third'), 2)

    expect(codes(clash)).toEqual({ 'one.ts': ['duplicate-task'], 'two.ts': ['duplicate-task'] })
    expect(codes(peace)).toEqual({ 'one.ts': [], 'two.ts': [] })
  })

  test('a second app turns what a shared task meets into a warning', async () => {
    const scanner = await folderOf({
      'app.ts': appText,
      'shared.ts': "import { sharedTask } from 'tq-runtime'\nexport const a = sharedTask('same', () => 0)\n",
      'tasks.ts': taskText('same'),
    }).scan()
    const before = scanner.snapshot().diagnostics.map((one) => one.severity)

    await scanner.change('other.ts', "import { Tq } from 'tq-runtime'\nexport const other = new Tq('other')\n", 1)

    expect(before).toEqual(['error', 'error'])
    expect(scanner.snapshot().diagnostics.map((one) => one.severity)).toEqual(['warn', 'warn'])
  })

  test('a call by name learns of a definition that appears elsewhere', async () => {
    const call = "import { app } from './app.ts'\napp.sendTask('mail.send', [])\n"
    const scanner = await folderOf({ 'app.ts': appText, 'call.ts': call }).scan()

    const diff = await scanner.change('tasks.ts', taskText('mail.send'), 1)

    expect(codes(diff)).toEqual({ 'call.ts': ['argument-count'] })
  })
})

describe('what is not read', () => {
  test('a file of more than 1 MB is skipped and reported, as a file and as a buffer', async () => {
    const large = `${taskText('large')}// ${'x'.repeat(1 << 20)}\n`
    const scanner = await folderOf({ 'app.ts': appText, 'large.ts': large, 'tasks.ts': taskText('one') }).scan()
    const before = scanner.snapshot()

    const diff = await scanner.change('tasks.ts', large, 1)

    expect(names(before)).toEqual(['one'])
    expect(before.skipped).toEqual([{ file: 'large.ts', reason: 'too-large', bytes: large.length }])
    expect(diff.skipped?.map((one) => one.file)).toEqual(['large.ts', 'tasks.ts'])
  })

  test('minified source is skipped and reported', async () => {
    const text = `${taskText('one')}var x="${'y'.repeat(60_000)}"\n`

    const scanner = await folderOf({ 'app.ts': appText, 'bundle.js': text }).scan()

    expect(scanner.snapshot().skipped).toMatchObject([{ file: 'bundle.js', reason: 'minified' }])
  })

  test('.gitignore of any depth, declarations, node_modules and build folders are left out', async () => {
    const folder = folderOf({
      'app.ts': appText,
      '.gitignore': 'made/\n*.gen.ts\n',
      'made/a.ts': taskText('a'),
      'b.gen.ts': taskText('b'),
      'sub/.gitignore': '/c.ts\n!d.gen.ts\n',
      'sub/c.ts': taskText('c').replace('./app', '../app'),
      'sub/d.gen.ts': taskText('d').replace('./app', '../app'),
      'e.d.ts': taskText('e'),
      'node_modules/f/index.ts': taskText('f'),
      'dist/g.ts': taskText('g'),
      'kept.ts': taskText('kept'),
    })

    const scanner = await folder.scan()

    expect(names(scanner.snapshot())).toEqual(['kept', 'd'])
  })

  test('links are not followed, so that nothing is defined twice', async () => {
    const folder = folderOf({ 'app.ts': appText, 'src/tasks.ts': taskText('one').replace('./app', '../app') })
    symlinkSync(join(folder.path, 'src'), join(folder.path, 'again'))
    symlinkSync(join(folder.path, 'src/tasks.ts'), join(folder.path, 'link.ts'))

    const scanner = await folder.scan()

    expect(names(scanner.snapshot())).toEqual(['one'])
  })

  test('a folder that does not exist is an error that names it', async () => {
    const folder = folderOf({})
    folder.remove('.')

    await expect(folder.scan()).rejects.toMatchObject({
      code: 'TQ_SCAN',
      message: expect.stringContaining(folder.path),
    })
  })
})

describe('source that means harm', () => {
  const app = "import { app } from './app.ts'\n"

  test('a text that doubles itself is a dynamic name', async () => {
    const lines = Array.from({ length: 64 }, (_, i) => `const a${i + 1} = a${i} + a${i}\n`).join('')
    const text = `${app}const a0 = 'x'\n${lines}export const t = app.task(a64, () => 0)\n`

    const scanner = await folderOf({ 'app.ts': appText, 'tasks.ts': text }).scan()

    expect(scanner.snapshot().tasks).toMatchObject([{ naming: 'dynamic' }])
  })

  test('a tower of references ends, and so does one of brackets', async () => {
    const lines = Array.from({ length: 20_000 }, (_, i) => `const a${i + 1} = a${i}\n`).join('')
    const files = {
      'app.ts': appText,
      'references.ts': `${app}const a0 = 'x'\n${lines}export const t = app.task(a20000, () => 0)\n`,
      'sums.ts': `${app}export const t = app.task(${"'x' + ".repeat(20_000)}'x', () => 0)\n`,
      'brackets.ts': `${app}export const t = ${'['.repeat(5_000)}1\n`,
      'tasks.ts': taskText('one'),
    }

    const scanner = await folderOf(files).scan()

    expect(names(scanner.snapshot())).toContain('one')
  })

  test('names that every object has are names like any other', async () => {
    const text = `${app}import { constructor, __proto__ as p, toString } from './names.ts'
export const one = app.task(constructor, (constructor: string, __proto__: number) => 0)
export const two = app.task(toString, { __proto__: { bind: true }, constructor: 1 }, (x: string) => 0)
export const three = app.task(p, () => 0)
`
    const names = "export const constructor = 'made'\n"

    const scanner = await folderOf({ 'app.ts': appText, 'names.ts': names, 'tasks.ts': text }).scan()

    expect(scanner.snapshot().tasks).toMatchObject([
      { name: 'made', signature: 'made(constructor: string, __proto__: number)' },
      { naming: 'dynamic', options: { constructor: 1 } },
      { naming: 'dynamic' },
    ])
  })
})

describe('the cache', () => {
  const files = { 'app.ts': appText, 'one.ts': taskText('one'), 'two.ts': taskText('two'), 'dull.ts': 'export {}\n' }

  test('spares parsing what has not changed, and only that', async () => {
    const folder = folderOf(files)
    const cacheFile = join(folder.path, 'node_modules/.cache/tq/scan.json')
    const first = await folder.scan({ cacheFile })
    first.saveCache()
    folder.write('two.ts', taskText('changed'))

    const second = await folder.scan({ cacheFile })

    expect(first.snapshot().files).toEqual({ listed: 4, parsed: 3, cached: 0 })
    expect(second.snapshot().files).toEqual({ listed: 4, parsed: 1, cached: 2 })
    expect(names(second.snapshot())).toEqual(['one', 'changed'])
  })

  test('gives the same result as reading everything', async () => {
    const folder = folderOf({ ...files, 'three.ts': taskText('one') })
    const cacheFile = join(folder.path, 'cache.json')
    const first = await folder.scan({ cacheFile })
    first.saveCache()

    const second = await folder.scan({ cacheFile })

    expect({ ...second.snapshot(), files: 0 }).toEqual({ ...first.snapshot(), files: 0 })
  })

  test.each([
    '',
    '{',
    '{"key":1}',
    'null',
    '[]',
    '{"key":KEY,"files":null,"summaries":{},"aliases":[]}',
    '{"key":KEY,"files":{},"summaries":null,"aliases":[]}',
  ])('that is broken is as none: %s', async (text) => {
    const folder = folderOf(files)
    const cacheFile = join(folder.path, 'cache.json')
    ;(await folder.scan({ cacheFile })).saveCache()
    const { key } = JSON.parse(readFileSync(cacheFile, 'utf8')) as { readonly key: string } // as it was written
    writeFileSync(cacheFile, text.replace('KEY', JSON.stringify(key)))

    const scanner = await folder.scan({ cacheFile })

    expect(names(scanner.snapshot())).toEqual(['one', 'two'])
  })

  test('with a summary of the wrong shape is thrown away', async () => {
    const folder = folderOf(files)
    const cacheFile = join(folder.path, 'cache.json')
    ;(await folder.scan({ cacheFile })).saveCache()
    const text = readFileSync(cacheFile, 'utf8')
    writeFileSync(cacheFile, text.replace('"definitions":[', '"definitions":[null,'))

    const scanner = await folder.scan({ cacheFile })

    expect(names(scanner.snapshot())).toEqual(['one', 'two'])
  })

  test('never holds an unsaved buffer', async () => {
    const folder = folderOf(files)
    const cacheFile = join(folder.path, 'cache.json')
    const first = await folder.scan({ cacheFile })
    await first.change('one.ts', taskText('unsaved'), 1)
    first.saveCache()

    const second = await folder.scan({ cacheFile })

    expect(names(second.snapshot())).toEqual(['one', 'two'])
  })

  test('goes nowhere in a folder without node_modules, or that cannot be written', async () => {
    const folder = folderOf(files)
    const scanner = await folder.scan({ cacheFile: undefined })
    scanner.saveCache()
    folder.write('node_modules/x', '')
    chmodSync(join(folder.path, 'node_modules'), 0o500)

    expect(existsSync(join(folder.path, 'node_modules/.cache'))).toBe(false)
    expect(() => scanner.saveCache()).not.toThrow()
  })
})

test('five thousand tasks are found, and their one collision', async () => {
  const files: Record<string, string> = { 'app.ts': appText }
  for (let file = 0; file < 250; file++) {
    let text = "import { app } from './app.ts'\n"
    for (let i = 0; i < 20; i++) text += `export const t${i} = app.task('t${file}.${i}', (x: number) => x + ${i})\n`
    files[`tasks${file}.ts`] = text
  }
  files['last.ts'] = taskText('t7.3')

  const scanner = await folderOf(files).scan()

  const { tasks, diagnostics } = scanner.snapshot()
  expect(tasks).toHaveLength(5001)
  expect(diagnostics.map((one) => `${one.file} ${one.task}`)).toEqual(['last.ts t7.3', 'tasks7.ts t7.3'])
})
