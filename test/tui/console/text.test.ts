import fc from 'fast-check'
import stringWidth from 'string-width'
import { describe, expect, test } from 'vitest'
import { clean, cleanLines, cut, fit, own, wrap } from '../../../tui/src/ui/text.ts'

const forbidden = /[\u0000-\u001f\u007f-\u009f\u200b\u200c\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\p{Cs}]/u

/** Any text, rich in what is dangerous. */
const anyText = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc.string({ unit: 'grapheme', maxLength: 60 }),
  fc
    .array(
      fc.constantFrom(
        'a',
        ' ',
        '日本',
        '👨‍👩‍👧‍👦',
        '☁️',
        '1️⃣',
        '🇨🇳',
        'ำ',
        'é',
        '\u0301',
        '\u200d',
        '\u202e',
        '\ud800',
        '\u001b[2J',
        '\n',
        '…',
        '\ufe0f',
      ),
      { maxLength: 40 },
    )
    .map((parts) => parts.join('')),
)

describe('clean', () => {
  test('leaves printable text as it is', () => {
    expect(clean("(2, 'zwei') {'k': 3}")).toBe("(2, 'zwei') {'k': 3}")
    expect(clean('日本 é 👨‍👩‍👧‍👦 ☁️ 🇨🇳')).toBe('日本 é 👨‍👩‍👧‍👦 ☁️ 🇨🇳')
  })

  test.each([
    ['\u001b[2J\u001b[8mhidden', '\\e[2J\\e[8mhidden'],
    ['\u001b]8;;http://evil\u0007link', '\\e]8;;http://evil\\u0007link'],
    ['real\rFAKE', 'real\\rFAKE'],
    ['one\ntwo\tthree', 'one\\ntwo\\tthree'],
    ['\u009b31m', '\\u009b31m'],
    ['\u202egnp.exe', '\\u202egnp.exe'],
    ['a\u200bb\ufeffc\u2028d', 'a\\u200bb\\ufeffc\\u2028d'],
    ['a\u200db', 'a\\u200db'],
    ['\ud800x', '\\ud800x'],
    ['\u{e0041}', '\\u{e0041}'],
    [`a${'\u0301'.repeat(60)}`, 'a\u0301\u0301\u0301\u0301'],
  ])('shows %j as %j', (hostile, shown) => {
    expect(clean(hostile)).toBe(shown)
  })

  test('lets nothing through that controls a terminal or deceives the eye, and cleaning again changes nothing', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const once = clean(text)
        expect(once).not.toMatch(forbidden)
        expect(clean(once)).toBe(once)
      }),
    )
  })

  test('takes ten megabytes without getting stuck', () => {
    const cleaned = cut(clean(`${'日'.repeat(2_000_000)}\u001b${'\u0301'.repeat(2_000_000)}`), 20)

    expect(stringWidth(cleaned)).toBeLessThanOrEqual(20)
  })
})

describe('fit', () => {
  test('is exactly as wide as asked, whatever the text', () => {
    fc.assert(
      fc.property(
        anyText,
        fc.integer({ min: 1, max: 50 }),
        fc.constantFrom('left' as const, 'right' as const),
        (text, width, align) => {
          expect(stringWidth(fit(clean(text), width, align))).toBe(width)
        },
      ),
    )
  })

  test('says by an ellipsis that something is missing', () => {
    expect(fit(own`abcdef`, 4)).toBe('abc…')
    expect(fit(own`abcd`, 4)).toBe('abcd')
    expect(fit(own`ab`, 4, 'right')).toBe('  ab')
    expect(fit(clean('日本語'), 4)).toBe('日… ')
    expect(fit(own`abcdef`, 4, 'left', '~')).toBe('abc~')
  })
})

describe('wrap', () => {
  test('gives lines that fit and lose nothing but spaces at their ends', () => {
    fc.assert(
      fc.property(anyText, fc.integer({ min: 8, max: 30 }), (text, width) => {
        const cleaned = clean(text)
        const lines = wrap(cleaned, width)
        for (const line of lines) expect(stringWidth(line)).toBeLessThanOrEqual(width)
        expect(lines.join('').replaceAll(' ', '')).toBe(cleaned.replaceAll(' ', ''))
      }),
    )
  })

  test('has a place for a grapheme that is wider than the pane', () => {
    expect(wrap(clean('a\u{1d158}\u{1d165}\u{1d16e}b'), 2)).toEqual(['a', '…', 'b'])
  })

  test('breaks after a space where there is one near the end', () => {
    expect(wrap(own`one two three`, 9)).toEqual(['one two', 'three'])
  })

  test('splits a traceback at its own line breaks', () => {
    expect(cleanLines('Error: x\r\n\tat a\n  at b\u001b')).toEqual(['Error: x', '  at a', '  at b\\e'])
  })
})
