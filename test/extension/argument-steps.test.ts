import type { Parameter } from 'tq-runtime/scan'
import { describe, expect, test } from 'vitest'
import { readAnswers, stepsOf } from '../../extension/src/argument-steps.ts'
import { messages, taskInfo } from './models.ts'

function task(...parameters: readonly Parameter[]) {
  return taskInfo('t', { parameters })
}

const json = (value: unknown) => ({ kind: 'json', value })

describe('the questions for a task', () => {
  test('are one for each parameter, with its type and its doc', () => {
    const steps = stepsOf(task({ name: 'x', type: 'number', doc: 'the first' }, { name: 'y', type: 'Date' }), messages)

    expect(steps.map((one) => one.prompt)).toEqual(['x: number  the first', 'y: Date'])
  })

  test('are none for a task without parameters', () => {
    expect(stepsOf(task(), messages)).toEqual([])
    expect(readAnswers(task(), [], messages)).toEqual({ texts: [], args: [] })
  })

  test('say what happens to an empty answer', () => {
    const [withDefault, optional] = stepsOf(
      task({ name: 'x', type: 'number', optional: true, default: '5' }, { name: 'y', type: 'string', optional: true }),
      messages,
    )

    expect(withDefault).toMatchObject({
      prompt: 'x?: number',
      placeholder: 'a number; empty leaves it out (default 5)',
    })
    expect(optional?.placeholder).toBe('text; empty leaves it out')
  })

  test('offer a choice where the type is one, with leaving out where that may be', () => {
    const [size, flag] = stepsOf(
      task({ name: 'size', type: "'s' | 'l'" }, { name: 'flag', type: 'boolean', optional: true }),
      messages,
    )

    expect(size?.choices).toEqual([
      { label: 's', text: "'s'" },
      { label: 'l', text: "'l'" },
    ])
    expect(flag?.choices?.map((one) => one.label)).toEqual(['leave out', 'true', 'false'])
  })
})

describe('the arguments of the answers', () => {
  const two = task({ name: 'x', type: 'number', optional: true }, { name: 'y', type: 'number', optional: true })

  test('end where the rest is left out', () => {
    expect(readAnswers(two, ['1', ''], messages)?.args).toEqual([json(1)])
    expect(readAnswers(two, ['', ''], messages)?.args).toEqual([])
  })

  test('keep a gap before one that is given', () => {
    expect(readAnswers(two, ['', '2'], messages)?.args).toEqual([{ kind: 'undefined' }, json(2)])
  })

  test('of a rest parameter are as many as there are', () => {
    const sum = task({ name: 'first', type: 'number' }, { name: 'rest', type: 'number[]', rest: true })

    expect(readAnswers(sum, ['1', '2, 3'], messages)?.args).toEqual([json(1), json(2), json(3)])
    expect(readAnswers(sum, ['1', ''], messages)?.args).toEqual([json(1)])
  })

  test('are one list where the parameters are unknown', () => {
    const opaque = taskInfo('t', { opaque: true })

    expect(readAnswers(opaque, ["[2, 'a']"], messages)?.args).toEqual([json(2), json('a')])
    expect(readAnswers(opaque, [''], messages)?.args).toEqual([])
    expect(readAnswers(opaque, ['{'], messages)).toBeUndefined()
  })

  test('are none when one of the texts is wrong', () => {
    expect(readAnswers(two, ['abc', '2'], messages)).toBeUndefined()
  })
})
