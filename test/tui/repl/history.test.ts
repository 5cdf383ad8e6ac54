import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { History } from '../../../tui/src/repl/history.ts'

describe('the history of a project', () => {
  let folder = ''
  const file = (): string => join(folder, '.tq', 'repl-history')

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'tq-history-'))
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  test('gives blocks back as they were', () => {
    new History(folder).append('const f = () => {\n  return "ä"\n}')
    new History(folder).append('f()')

    expect(new History(folder).read()).toEqual(['const f = () => {\n  return "ä"\n}', 'f()'])
  })

  test('is readable by its owner only, in a folder git does not see', () => {
    new History(folder).append('1')

    expect(statSync(file()).mode & 0o777).toBe(0o600)
    expect(statSync(join(folder, '.tq')).mode & 0o777).toBe(0o700)
    expect(readFileSync(join(folder, '.tq', '.gitignore'), 'utf8')).toBe('*\n')
  })

  test.each([' secret', '', '  \n'])('does not store %j', (input) => {
    new History(folder).append(input)

    expect(new History(folder).read()).toEqual([])
  })

  test('keeps the newest 2,000 and shortens a file that has grown far beyond', () => {
    new History(folder).append('old')
    writeFileSync(file(), Array.from({ length: 3_500 }, (_, i) => `${JSON.stringify(`input ${i}`)}\n`).join(''))

    const entries = new History(folder).read()

    expect([entries.length, entries[0], entries.at(-1)]).toEqual([2_000, 'input 1500', 'input 3499'])
    expect(readFileSync(file(), 'utf8').split('\n')).toHaveLength(2_001)
    expect(statSync(file()).mode & 0o777).toBe(0o600)
  })

  test('skips lines that are no entries', () => {
    new History(folder).append('good')
    writeFileSync(file(), 'not json\n"good"\n{"a":1}\n"cut of', { flag: 'w' })

    expect(new History(folder).read()).toEqual(['good'])
  })

  test('a project that cannot be written to has no history and no error', () => {
    const history = new History(join(file(), 'not', '\0', 'a folder'))

    expect(() => history.append('1')).not.toThrow()
    expect(history.read()).toEqual([])
  })
})
