import { expect, test } from 'vitest'
import { cutAt, Texts } from '../../../extension/src/sidecar/texts.ts'
import { valueBlock, valueLine } from '../../../extension/src/sidecar/values.ts'
import { OutputLimit } from '../../../extension/src/sidecar/output.ts'
import { isNewEnough } from '../../../extension/src/sidecar/node-choice.ts'

test('passwords are masked in URLs, and on their own once they are known', () => {
  const texts = new Texts()

  texts.learn('redis://user:p%40ss-word@host/0')

  expect(texts.line('redis://a:b@host and p@ss-word, p%40ss-word')).toBe('redis://a:***@host and ***, ***')
  expect(texts.line('https://example.org:8080/@me')).toBe('https://example.org:8080/@me')
})

test('what would hide or reorder text is shown as an escape', () => {
  const texts = new Texts()

  expect(texts.line('a\nb\u202e\u0007')).toBe('a\\nb\\u202e\\u0007')
  expect(texts.block('a\n\tb\u001b[0m')).toBe('a\n  b\\e[0m')
})

test.each([
  ['abcdef', 4, 'abc…'],
  ['abcd', 4, 'abcd'],
  ['ab😀d', 4, 'ab…'],
])('%s is cut at %i to %s', (text, limit, cut) => {
  expect(cutAt(text, limit)).toBe(cut)
})

test('values are written as JavaScript writes them', () => {
  const value = { text: "it's", list: [1, null, true], when: new Date(0), deep: { a: { b: [{}] } } }

  expect(valueLine(value, 200)).toBe(
    `{ text: "it's", list: [ 1, null, true ], when: 1970-01-01T00:00:00.000Z, deep: { a: { b: [ {} ] } } }`,
  )
  expect(valueLine('x'.repeat(1000), 10)).toBe("'xxxxxxxx…")
})

test('a value of any size is written in the time that its beginning takes', () => {
  const wide = Object.fromEntries(Array.from({ length: 300_000 }, (_, i) => [`key${i}`, i]))
  const startedMs = process.cpuUsage().user / 1000

  expect(valueLine(wide, 200)).toHaveLength(200)
  expect(valueBlock(['y'.repeat(5_000_000)], 20_000)).toHaveLength(20_000)

  expect(process.cpuUsage().user / 1000 - startedMs).toBeLessThan(200)
})

test('output beyond what anybody reads is dropped, which is said once', () => {
  const lines: string[] = []
  const limit = new OutputLimit((text) => lines.push(text), { burst: 10, perSecond: 0 })

  const taken = ['12345', '6789', 'abc', 'def'].map((text) => limit.take(text))

  expect(taken).toEqual([true, true, false, false])
  expect(lines).toEqual(['12345', '6789', 'a', '[the rest of the output is left out: too much at once]'])
})

test.each([
  ['v22.18.0', true],
  ['v22.17.9', false],
  ['v24.0.0', true],
  ['v20.19.0', false],
])('Node %s is new enough: %s', (version, isIt) => {
  expect(isNewEnough(version)).toBe(isIt)
})
