import { expect, test } from 'vitest'
import { appText, folderOf, taskText } from './folder.ts'

const barrel = "export * from './inner/index.ts'\n"
const inner = "export * from './one.ts'\nexport * from './two.ts'\n"
const caller = "import { task } from './barrel.ts'\nexport const send = () => task.delay()\n"
const files = {
  'app.ts': appText,
  'barrel.ts': barrel,
  'inner/index.ts': inner,
  'inner/one.ts': taskText('one').replace('./app.ts', '../app.ts'),
  'inner/two.ts': 'export const other = 2\n',
  'caller.ts': caller,
}

test('a call through barrels follows a task that gets another name', async () => {
  const folder = folderOf(files)
  const scanner = await folder.scan()
  const before = scanner.snapshot().calls

  const diff = await scanner.change('inner/one.ts', files['inner/one.ts'].replace("'one'", "'renamed'"), 1)

  expect(before).toMatchObject([{ task: 'one' }])
  expect(diff.calls).toMatchObject([{ file: 'caller.ts', calls: [{ task: 'renamed' }] }])
})

test('a second file of the barrels that exports the name makes it ambiguous, until it goes', async () => {
  const folder = folderOf(files)
  const scanner = await folder.scan()

  const ambiguous = await scanner.change('inner/two.ts', "export const other = 2\nexport const task = 'mine'\n", 1)
  const again = scanner.close('inner/two.ts')

  expect(ambiguous.calls).toEqual([{ file: 'caller.ts', calls: [] }])
  expect(again.calls).toMatchObject([{ file: 'caller.ts', calls: [{ task: 'one' }] }])
})

test('a file that a barrel looked for is found when it appears', async () => {
  const { 'inner/one.ts': one, ...others } = files
  const folder = folderOf(others)
  const scanner = await folder.scan()
  const before = scanner.snapshot().calls
  folder.write('inner/one.ts', one)

  const diff = await scanner.fsEvents([{ file: 'inner/one.ts', kind: 'created' }])

  expect(before).toEqual([])
  expect(diff.calls).toMatchObject([{ file: 'caller.ts', calls: [{ task: 'one' }] }])
})

test('a file without a task that becomes a barrel of one is seen by its importers', async () => {
  const folder = folderOf({
    'app.ts': appText,
    'make.ts': "import { app } from './app.ts'\nexport const make = app.task\n",
    'words.ts': 'export const nothing = 1\n',
    'tasks.ts': "import { make } from './words.ts'\nexport const add = make('add', () => 0)\n",
  })
  const scanner = await folder.scan()
  const before = scanner.snapshot().tasks

  const diff = await scanner.change('words.ts', "export * from './make.ts'\n", 1)

  expect(before).toEqual([])
  expect(diff.added).toMatchObject([{ name: 'add' }])
})
