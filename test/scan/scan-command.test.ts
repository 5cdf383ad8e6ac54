import { join } from 'node:path'
import { expect, test } from 'vitest'
import { runScan } from '../../runtime/src/cli/scan-command.ts'
import { appText, type Folder, folderOf, taskText } from './folder.ts'

interface Run {
  readonly data: string
  readonly notes: string
  readonly exitCode: number
}

async function run(folder: Folder, flags: { readonly json?: boolean } = {}): Promise<Run> {
  const data: string[] = []
  const notes: string[] = []
  const output = {
    data: (text: string) => void data.push(text),
    note: (text: string) => void notes.push(text),
    isTty: false,
  }
  let exitCode = 0
  try {
    await runScan(folder.path, { ...flags, cache: false }, output)
  } catch (error) {
    exitCode = error instanceof Error && 'exitCode' in error ? Number(error.exitCode) : -1
    if (error instanceof Error) notes.push(error.message)
  }
  return { data: data.join('\n'), notes: notes.join('\n'), exitCode }
}

test('prints each definition with its place, and what there is in all', async () => {
  const folder = folderOf({ 'app.ts': appText, 'tasks.ts': `${taskText('mail.send', 'send')}send.delay(1)\n` })

  const { data, notes, exitCode } = await run(folder)

  expect(data).toMatch(/^mail\.send\(x: number\) +\S*tasks\.ts:3$/)
  expect(notes).toBe('1 task in 1 file, 1 call, 0 collisions, 2 source files looked at')
  expect(exitCode).toBe(0)
})

test('exits 1 on a collision and shows both places', async () => {
  const folder = folderOf({ 'app.ts': appText, 'one.ts': taskText('same'), 'two.ts': taskText('same') })

  const { notes, exitCode } = await run(folder)

  expect(exitCode).toBe(1)
  expect(notes).toMatch(/one\.ts:3:30 {2}error .*\n {4}\S*two\.ts:3:30/)
  expect(notes).toMatch(/1 task name defined more than once: 'same'\.$/)
})

test('a possible collision is shown and passes', async () => {
  const text = "import { app } from './app.ts'\nif (app) app.task('same', () => 0)\nelse app.task('same', () => 1)\n"

  const { notes, exitCode } = await run(folderOf({ 'app.ts': appText, 'tasks.ts': text }))

  expect(exitCode).toBe(0)
  expect(notes).toContain('possible-duplicate')
})

test('--json is one document, on a collision too', async () => {
  const folder = folderOf({ 'app.ts': appText, 'one.ts': taskText('same'), 'two.ts': taskText('same') })

  const { data, exitCode } = await run(folder, { json: true })

  const found: unknown = JSON.parse(data)
  expect(found).toMatchObject({ tasks: [{ name: 'same' }, { name: 'same' }], diagnostics: [{}, {}], skipped: [] })
  expect(exitCode).toBe(1)
})

test('names dynamic names and skipped files', async () => {
  const text = "import { app } from './app.ts'\nexport const one = app.task(process.env.NAME ?? '', () => 0)\n"
  const folder = folderOf({ 'app.ts': appText, 'tasks.ts': text, 'large.ts': ' '.repeat((1 << 20) + 1) })

  const { data, notes } = await run(folder)

  expect(data).toContain('dynamic name')
  expect(notes).toContain('skipped: too-large (1048577 bytes)')
  expect(notes).toContain('1 dynamic name, 1 file skipped')
})

test('a terminal’s control characters in a name are shown, not obeyed', async () => {
  const folder = folderOf({ 'app.ts': appText, 'tasks.ts': taskText('\\x1b[2Jred') })

  const { data } = await run(folder)

  expect(data).toContain('\\u001b[2Jred')
})

test('finds the tasks of the shop', async () => {
  const shop: Folder = { ...folderOf({}), path: join(import.meta.dirname, '../examples/shop') }

  const { data, exitCode } = await run(shop)

  expect(data).toContain('math.add(x: number, y: number): number')
  expect(exitCode).toBe(0)
})
