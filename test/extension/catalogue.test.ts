import { describe, expect, test } from 'vitest'
import { Catalogue, type CatalogueChange } from '../../extension/src/catalogue.ts'
import { folder, scanDiff, scanResult, taskInfo } from './models.ts'

const add = taskInfo('math.add')
const mul = taskInfo('math.mul')
const mathFile = `${folder}/src/tasks/math.ts`
const collision = {
  code: 'duplicate-task' as const,
  severity: 'error' as const,
  message: 'twice',
  file: 'src/tasks/math.ts',
  range: add.range,
  related: [],
}

describe('what scans have found', () => {
  test('is found by file, by name and by id', () => {
    const catalogue = opened()

    expect(catalogue.tasksIn(mathFile).map(({ task }) => task.name)).toEqual(['math.add', 'math.mul'])
    expect(catalogue.named(folder, 'math.add')).toHaveLength(1)
    expect(catalogue.task(folder, add.id)?.file).toBe(mathFile)
  })

  test('follows the changes, and says which files they concern', () => {
    const catalogue = opened()
    const changes: CatalogueChange[] = []
    catalogue.onChanged((change) => changes.push(change))

    catalogue.apply(
      folder,
      scanDiff({
        versions: { 'src/tasks/math.ts': 7 },
        removed: [mul.id],
        changed: [{ ...add, signature: 'math.add()' }],
        added: [taskInfo('mail.send', { file: 'src/mail.ts' })],
        diagnostics: [{ file: 'src/tasks/math.ts', diagnostics: [] }],
      }),
    )

    expect(catalogue.tasksIn(mathFile).map(({ task }) => task.signature)).toEqual(['math.add()'])
    expect(catalogue.diagnosticsOf(mathFile)).toEqual([])
    expect(changes).toEqual([
      {
        folder,
        tasks: new Set([mathFile, `${folder}/src/mail.ts`]),
        diagnostics: new Set([mathFile]),
        versions: new Map([[mathFile, 7]]),
      },
    ])
  })

  test('is replaced whole after a scanner had to be started anew', () => {
    const catalogue = opened()
    const changes: CatalogueChange[] = []
    catalogue.onChanged((change) => changes.push(change))

    catalogue.replace(folder, scanResult([]))

    expect(catalogue.all()).toEqual([])
    expect(catalogue.tasksIn(mathFile)).toEqual([])
    expect(changes[0]?.tasks).toEqual(new Set([mathFile]))
    expect(changes[0]?.diagnostics).toEqual(new Set([mathFile]))
  })

  test('of a file in two folders, one inside the other, is told once', () => {
    const catalogue = opened()
    catalogue.replace('/w', scanResult([taskInfo('math.add', { file: 'shop/src/tasks/math.ts' })], { folder: '/w' }))

    expect(catalogue.tasksIn(mathFile).map((one) => one.folder)).toEqual([folder, folder])
  })

  test('of a folder that is closed is gone, its problems too', () => {
    const catalogue = opened()

    catalogue.keep([])

    expect(catalogue.folders).toEqual([])
    expect(catalogue.diagnosticsOf(mathFile)).toEqual([])
  })
})

function opened(): Catalogue {
  const catalogue = new Catalogue()
  catalogue.replace(folder, scanResult([add, mul], { diagnostics: [collision] }))
  return catalogue
}
