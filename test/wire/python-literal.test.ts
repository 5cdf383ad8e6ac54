import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { DecodeError } from '../../runtime/src/core/errors.ts'
import { readCallRepr, readPythonLiteral } from '../../runtime/src/wire/python-literal.ts'
import { argsRepr, pythonRepr } from '../../runtime/src/wire/python-text.ts'

// Whole numbers that a double does not hold exactly come back as bigint, as Python's would be.
function exact(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value), (_, one: unknown) =>
    typeof one === 'number' && Number.isInteger(one) && !Number.isSafeInteger(one) && /^-?\d+$/.test(String(one))
      ? BigInt(String(one))
      : one,
  )
}

describe('readPythonLiteral', () => {
  test.each([
    ["(1, 'a\\'b\\n\\u65e5', None, True, False)", [1, "a'b\n日", null, true, false]],
    ['{"it\'s": [1.5, -2e-7, {}], 3: ()}', { "it's": [1.5, -2e-7, {}], 3: [] }],
    ['(1,)', [1]],
    ['(1)', 1],
    ['[1, 2, ]', [1, 2]],
    ['12345678901234567890', 12345678901234567890n],
    ["'\\x1b\\U0001f600'", '\u001b😀'],
  ])('reads %s', (text, value) => {
    expect(readPythonLiteral(text)).toEqual(value)
  })

  test.each([
    "('xxx...",
    '[...]',
    '(<Foo>,)',
    '(1,, 2)',
    '(1 2)',
    'nan',
    '',
    "{'a'}",
    '{(1,): 2}',
    "'\\ud8'",
    '1; 2',
    '['.repeat(5000),
  ])('refuses %s', (text) => {
    expect(() => readPythonLiteral(text)).toThrow(DecodeError)
  })

  test('reads back whatever our own repr wrote in full', () => {
    const plain = fc.jsonValue({ maxDepth: 3 })

    fc.assert(
      fc.property(fc.array(plain, { maxLength: 4 }), (args) => {
        expect(readCallRepr(argsRepr(args, 100_000), '{}').args).toEqual(exact(args))
        expect(readPythonLiteral(pythonRepr({ args }, 100_000))).toEqual(exact({ args }))
      }),
    )
  })

  test('says of a cut text that it was cut', () => {
    expect(() => readCallRepr(argsRepr(['x'.repeat(5000)]), '{}')).toThrow('it was cut')
  })
})
