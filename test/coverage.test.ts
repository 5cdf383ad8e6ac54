import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

/** The tests that a row of the table names in its third column. */
function testsIn(row: string): readonly string[] {
  const cells = row.split(/(?<!\\)\|/)
  return [...(cells[3] ?? '').matchAll(/`([^`]+)`/g)].map(([, name = '']) => name)
}

const isThere = (name: string): boolean =>
  [name, `${name}.ts`, `${name}.test.ts`].some((path) => existsSync(fileURLToPath(new URL(path, import.meta.url))))

test('every test that the table of Celery’s features names is there', () => {
  const table = readFileSync(new URL('../runtime/docs/coverage.md', import.meta.url), 'utf8')
  const rows = table.split('\n').filter((line) => line.startsWith('| '))

  const named = rows.flatMap(testsIn)

  expect(named.length).toBeGreaterThan(rows.length / 2)
  expect(named.filter((name) => !isThere(name))).toEqual([])
})
