import { expect, test } from 'vitest'
import { isoTime, parseIso } from '../../runtime/src/core/iso-time.ts'
import { isTimeZone, timeZone, utc } from '../../runtime/src/core/time-zone.ts'

const berlin = timeZone('Europe/Berlin')

test.each([
  ['winter', Date.UTC(2027, 0, 1), 3600],
  ['summer', Date.UTC(2027, 6, 1), 7200],
  ['the last moment of winter', Date.UTC(2027, 2, 28, 1) - 1, 3600],
  ['the first moment of summer', Date.UTC(2027, 2, 28, 1), 7200],
  ['a time before 1970', Date.UTC(1960, 6, 1), 3600],
])('the offset of Berlin in %s', (_, atMs, offset) => {
  expect(berlin.offsetAt(atMs)).toBe(offset)
})

test.each([
  ['winter', '2027-01-01T12:00:00', '2027-01-01T11:00:00Z'],
  ['summer', '2027-07-01T12:00:00', '2027-07-01T10:00:00Z'],
  ['an hour that is skipped: the next', '2027-03-28T02:30:00', '2027-03-28T01:30:00Z'],
  ['an hour that comes twice: the first', '2027-10-31T02:30:00', '2027-10-31T00:30:00Z'],
  ['a fraction', '2027-01-01T12:00:00.250', '2027-01-01T11:00:00.250Z'],
  ['a time with an offset of its own', '2027-01-01T12:00:00+00:00', '2027-01-01T12:00:00Z'],
])('a time of day in Berlin, %s', (_, text, instant) => {
  expect(parseIso(text, berlin)).toBe(Date.parse(instant))
})

test('times are written as the zone has them and read back the same', () => {
  const atMs = Date.UTC(2027, 6, 1, 22, 30, 0, 125)

  expect(isoTime(atMs, berlin)).toBe('2027-07-02T00:30:00.125000+02:00')
  expect(isoTime(atMs, timeZone('America/St_Johns'))).toBe('2027-07-01T20:00:00.125000-02:30')
  expect(isoTime(atMs, utc)).toBe('2027-07-01T22:30:00.125000+00:00')
  expect(parseIso(isoTime(atMs, berlin))).toBe(atMs)
})

test('names are those of the IANA database', () => {
  expect([isTimeZone('Europe/Berlin'), isTimeZone('UTC'), isTimeZone('Mars/Olympus')]).toEqual([true, true, false])
  expect(timeZone('Etc/UTC').offsetAt(0)).toBe(0)
})
