import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { spawnProcess } from './helpers/process.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const shop = join(root, 'test/examples/shop')
let folder = ''

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tq-readme-'))
})

afterAll(() => rmSync(folder, { recursive: true, force: true }))

interface Step {
  readonly command: string
  /** Lines that are printed, in this order; `…` stands for any number of lines. */
  readonly expected: readonly string[]
}

/** The steps of the README's `console` block. */
function walk(): readonly Step[] {
  const readme = readFileSync(join(root, 'README.md'), 'utf8')
  const block = /```console\n([\s\S]*?)```/.exec(readme)?.[1] ?? ''
  return block
    .split(/^\$ /m)
    .slice(1)
    .map((text) => {
      const [command = '', ...lines] = text.trimEnd().split('\n')
      return { command, expected: lines.filter((line) => line !== '…') }
    })
}

describe('the walk of the README', () => {
  test('has steps', () => {
    expect(walk().length).toBeGreaterThan(5)
  })

  test.each(walk())('$command', async ({ command, expected }) => {
    // The commands as they stand, but for npx, which would look the bins up in the same place.
    const bins = join(root, 'node_modules/.bin')
    const ran = spawnProcess('sh', ['-c', command.replaceAll('npx ', '')], {
      cwd: shop,
      cleanEnv: true,
      env: { PATH: `${bins}${delimiter}${process.env.PATH ?? ''}`, TQ_DB: join(folder, 'tq.db') },
    })
    await ran.exit

    const printed = `${ran.stdout}\n${ran.stderr}`.split('\n').map((line) => line.replace(/\s+/g, ' ').trim())
    const wanted = expected.map((line) => line.replace(/\s+/g, ' ').trim())
    expect(printed).toEqual(expect.arrayContaining(wanted))
  })
})
