import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { Scanner } from '../../runtime/src/scan/index.ts'
import { shapeOf } from './shape.ts'

// Each folder of `forms` is a small project with the answer beside it: files in, expected.json out.
const forms = join(import.meta.dirname, 'forms')
const names = readdirSync(forms).sort()

test('there are more than fifty forms', () => {
  expect(names.length).toBeGreaterThan(50)
})

describe('the scanner understands', () => {
  test.each(names)('%s', async (name) => {
    const expected: unknown = JSON.parse(readFileSync(join(forms, name, 'expected.json'), 'utf8'))

    const scanner = await Scanner.open(join(forms, name), { cacheFile: null })

    expect(shapeOf(scanner.snapshot())).toEqual(expected)
  })
})

test.each(names.filter((name) => name.startsWith('rejects-')))('%s: nothing of it is ours', async (name) => {
  const scanner = await Scanner.open(join(forms, name), { cacheFile: null })

  const { tasks, calls, diagnostics } = scanner.snapshot()

  expect({ tasks, calls, diagnostics }).toEqual({ tasks: [], calls: [], diagnostics: [] })
})
