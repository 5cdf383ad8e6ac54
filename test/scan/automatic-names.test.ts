import { execFile } from 'node:child_process'
import { mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { folderOf } from './folder.ts'

const run = promisify(execFile)

// The scanner reads what Node would run: each of these forms gets its name from both.
const files = {
  'package.json': '{ "type": "module" }\n',
  'app.ts': "import { Tq } from 'tq-runtime'\n\nexport const app = new Tq('proj', { brokerUrl: 'memory://' })\n",
  'functions.ts':
    'export function price(cents: number) {\n  return cents\n}\nexport const double = (x: number) => x * 2\n' +
    'export const group = { inner: (x: number) => x, method() {} }\n' +
    'export class Holder {\n  static fixed = () => 1\n  static made() {}\n}\nexport default () => 1\n',
  'jobs/mail.ts': [
    "import { app } from '../app.ts'",
    "import fallback, { Holder, double as twice, group, price } from '../functions.ts'",
    'app.task(function send(to: string) { return to })',
    'app.task({ maxRetries: 1 }, async function again() {})',
    'const local = ((id: string) => id) as (id: string) => string',
    'app.task(local)',
    'app.task(price)',
    'app.task(twice)',
    'app.task(group.inner)',
    'app.task(group.method)',
    'app.task(Holder.fixed)',
    'app.task(Holder.made)',
    'app.task(fallback)',
    'const first = function named() {}',
    'app.task(first)',
  ].join('\n'),
  'jobs/index.ts': "import { app } from '../app.ts'\n\nfunction root() {}\napp.task(root)\n",
  'index.ts': "import { app } from './app.ts'\n\napp.task(function top() {})\n",
  'print.ts':
    "import { app } from './app.ts'\nimport './index.ts'\nimport './jobs/index.ts'\nimport './jobs/mail.ts'\n" +
    'console.log(JSON.stringify(app.tasks().map((task) => task.taskName)))\nawait app.close()\n',
}

test('automatic names are those that the runtime gives', async () => {
  const folder = folderOf(files)
  mkdirSync(join(folder.path, 'node_modules'))
  symlinkSync(join(import.meta.dirname, '../../runtime'), join(folder.path, 'node_modules/tq-runtime'))
  const scanner = await folder.scan()

  const { stdout } = await run(process.execPath, ['--conditions=@tq/source', join(folder.path, 'print.ts')])

  const { tasks } = scanner.snapshot()
  const given = JSON.parse(stdout) as readonly string[] // printed three lines above
  expect(new Set(tasks.map((task) => task.name))).toEqual(new Set(given))
  expect(new Set(tasks.map((task) => task.naming))).toEqual(new Set(['automatic']))
  expect(tasks).toHaveLength(13)
})
