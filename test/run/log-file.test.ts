import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { fileNameFor, isPerChild, LogFile } from '../../runtime/src/run/log-file.ts'
import { temporaryFolder } from '../helpers/project.ts'

const unexpected = (text: string): void => {
  throw new Error(`not written to the file: ${text}`)
}

test('the placeholders of a file’s name are Celery’s', () => {
  const name = (pattern: string, index = 0): string => fileNameFor(pattern, { hostname: 'mail@box.example.org', index })

  expect(name('/var/log/%n.log')).toBe('/var/log/mail.log')
  expect(name('%p|%h|%d|100%%')).toBe('mail@box.example.org|box.example.org|example.org|100%')
  expect([name('%n%I.log'), name('%n%I.log', 3), name('%n-%i.log'), name('%n-%i.log', 3)]).toEqual([
    'mail.log',
    'mail-3.log',
    'mail-0.log',
    'mail-3.log',
  ])
  expect(() => name('%q.log')).toThrow(/no %q/)
})

test('children have files of their own where the name says so', () => {
  expect(['%n.log', '%n%I.log', '%i', '100%%i.log'].map(isPerChild)).toEqual([false, true, true, false])
})

test('lines are appended, and the file’s folder is made', () => {
  const path = join(temporaryFolder(), 'deep', 'w1.log')

  for (const text of ['one\n', 'two\n']) {
    const file = new LogFile(path, unexpected)
    file.write(text)
    file.close()
  }

  expect(readFileSync(path, 'utf8')).toBe('one\ntwo\n')
})

test('after a rotation the next line goes to a new file, whether the old one was renamed, removed or replaced', () => {
  const path = join(temporaryFolder(), 'w1.log')
  const file = new LogFile(path, unexpected)
  file.write('one\n')
  renameSync(path, `${path}.1`)
  file.write('two\n')
  rmSync(path)
  file.write('three\n')
  writeFileSync(`${path}.new`, 'by somebody else\n')
  renameSync(`${path}.new`, path)

  file.write('four\n')
  file.close()

  expect(readFileSync(`${path}.1`, 'utf8')).toBe('one\n')
  expect(readFileSync(path, 'utf8')).toBe('by somebody else\nfour\n')
})

test('a log file that cannot be opened is an error that names it', () => {
  const folder = temporaryFolder()

  expect(() => new LogFile(folder, unexpected)).toThrow(new RegExp(`Could not open the log file ${folder}`))
  expect(existsSync(join(folder, 'w1.log'))).toBe(false)
})
