import fc from 'fast-check'
import { expect, test } from 'vitest'
import { joinChain, splitChain } from '../../runtime/src/wire/chain-tail.ts'

const js = { lang: 'js' }
// Long enough to be worth parting, and full of what looks like structure.
const padding = `"]}, "chain": [{\\\\"`.repeat(300)

const step = (n: number, text: string) => ({
  task: `t.${n}`,
  args: [text],
  options: { task_id: `"${text}\\` },
  n: [[n]],
})

function bodyOf(chain: readonly unknown[], args: unknown[], indent: number, chord: unknown = null): Buffer {
  const embed = { callbacks: null, errbacks: null, chain, chord }
  return Buffer.from(JSON.stringify([args, { chain: ['no'], k: padding }, embed], null, indent))
}

const parsed = (bytes: Uint8Array | undefined): unknown =>
  bytes && (JSON.parse(Buffer.from(bytes).toString()) as unknown)

test('whatever stands in the steps and arguments, parted and joined is the same', () => {
  const steps = fc.array(fc.string({ unit: 'grapheme' }), { minLength: 2, maxLength: 6 })
  // As JSON reads them: it has no -0.
  const values = fc.array(fc.jsonValue()).map((list) => JSON.parse(JSON.stringify(list)) as unknown[])
  fc.assert(
    fc.property(steps, values, fc.constantFrom(0, 1), (texts, args, indent) => {
      const chain = texts.map((text, n) => step(n, text))
      const whole = bodyOf(chain, args, indent)

      const split = splitChain(whole, js)

      expect(parsed(split?.body)).toEqual(parsed(bodyOf(chain.slice(-1), args, 0)))
      expect(parsed(Buffer.from(`[${Buffer.from(split?.tail ?? []).toString()}]`))).toEqual(chain.slice(0, -1))
      if (!split) return
      expect(parsed(joinChain(split.body, split.tail))).toEqual(parsed(whole))
      const next = Buffer.from(JSON.stringify([args, {}, { callbacks: null, chain: null, chord: null }]))
      expect(parsed(joinChain(next, split.tail))).toEqual([
        args,
        {},
        { callbacks: null, chain: chain.slice(0, -1), chord: null },
      ])
    }),
    { numRuns: 60 },
  )
})

test('what is not worth it or not known is left whole', () => {
  const two = [step(1, 'a'), step(2, 'b')]

  expect(splitChain(bodyOf(two, [], 0), {})).toBeUndefined()
  expect(splitChain(bodyOf(two.slice(1), [], 0), js)).toBeUndefined()
  expect(splitChain(bodyOf([], [], 0), js)).toBeUndefined()
  expect(splitChain(bodyOf(two, [], 0, step(3, 'body')), js)).toBeUndefined()
  expect(splitChain(Buffer.from(JSON.stringify([[], {}, { chain: two, chord: null }])), js)).toBeUndefined()
  expect(splitChain(Buffer.from(`[${padding}`), js)).toBeUndefined()
  expect(joinChain(Buffer.from('[[],{},{"chord":null}]'), Buffer.from('{}'))).toBeUndefined()
})
