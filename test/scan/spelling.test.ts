import { expect, test } from 'vitest'
import { Spelling } from '../../runtime/src/scan/spelling.ts'

function spellingOf(...names: readonly string[]): Spelling {
  const spelling = new Spelling()
  for (const name of names) spelling.add(name)
  return spelling
}

test('the nearest name is suggested, and nothing that is far', () => {
  const spelling = spellingOf('math.add', 'math.sub', 'mail.send')

  expect(spelling.nearest('math.ad')).toBe('math.add')
  expect(spelling.nearest('reports.monthly')).toBeUndefined()
})

test('of names that are equally near the first in the alphabet is suggested, whichever came first', () => {
  expect(spellingOf('b.one', 'a.one').nearest('c.one')).toBe('a.one')
  expect(spellingOf('a.one', 'b.one').nearest('c.one')).toBe('a.one')
})

test('an answer follows the names that come and go', () => {
  const spelling = spellingOf('mail.sent')
  const first = spelling.nearest('mail.sendd')

  spelling.add('mail.send')
  const nearer = spelling.nearest('mail.sendd')
  spelling.remove('mail.send')
  spelling.remove('mail.sent')

  expect([first, nearer]).toEqual(['mail.sent', 'mail.send'])
  expect(spelling.nearest('mail.sendd')).toBeUndefined()
})

test('a name that nothing was near to gets a suggestion when one comes', () => {
  const spelling = spellingOf('reports.monthly')
  const before = spelling.nearest('mail.sendd')

  spelling.add('mail.send')

  expect(before).toBeUndefined()
  expect(spelling.nearest('mail.sendd')).toBe('mail.send')
})
