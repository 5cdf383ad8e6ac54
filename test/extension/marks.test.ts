import { describe, expect, test } from 'vitest'
import { type Edit, Marks, moved, touches } from '../../extension/src/marks.ts'

const at = (line: number, character: number, text: string, endLine = line, endCharacter = character): Edit => ({
  startLine: line,
  startCharacter: character,
  endLine,
  endCharacter,
  text,
})

describe('a place', () => {
  test.each<[string, Edit, { line: number; character: number }]>([
    ['stays when something is typed below', at(9, 0, 'x\ny'), { line: 4, character: 13 }],
    ['stays when something is typed behind it', at(4, 20, 'x'), { line: 4, character: 13 }],
    ['moves down with lines that are typed above', at(1, 0, 'a\nb\n'), { line: 6, character: 13 }],
    ['moves up with lines that are deleted above', at(1, 0, '', 3, 0), { line: 2, character: 13 }],
    ['moves down when its own line is pushed down', at(4, 0, '\n'), { line: 5, character: 13 }],
    ['moves on with what is typed before it', at(4, 2, 'abc'), { line: 4, character: 16 }],
    ['moves into a line that is split before it', at(4, 10, '\n  '), { line: 5, character: 5 }],
    ['joins the line before it', at(3, 7, '', 4, 0), { line: 3, character: 20 }],
    ['is at the start of what replaces it', at(3, 2, 'new', 5, 1), { line: 3, character: 2 }],
  ])('%s', (_, edit, expected) => {
    expect(moved({ line: 4, character: 13 }, edit)).toEqual(expected)
  })
})

describe('a line', () => {
  test.each<[string, Edit, boolean]>([
    ['is touched by a letter in it', at(4, 3, 'x'), true],
    ['is touched by what is replaced over it', at(3, 0, 'x', 5, 0), true],
    ['is touched when it is deleted', at(4, 0, '', 5, 0), true],
    ['is touched when the line before is joined to it', at(3, 5, '', 4, 0), true],
    ['is not touched by a letter in another line', at(5, 0, 'x'), false],
    ['is not touched by a new line behind it', at(4, 30, '\n  '), false],
    ['is not touched by a new line before it', at(4, 0, '// more\n'), false],
    ['is not touched by whole lines that are deleted above it', at(2, 0, '', 4, 0), false],
  ])('%s', (_, edit, expected) => {
    expect(touches(edit, 4)).toBe(expected)
  })
})

describe('marks', () => {
  test('follow what is typed before the next scan, and after one that has not seen all of it', () => {
    const marks = new Marks()
    marks.opened('/a.ts', [place('add', 4)])

    marks.edited('/a.ts', 2, at(0, 0, '\n'))
    marks.edited('/a.ts', 3, at(0, 0, '\n'))
    const typed = marks.placeOf('/a.ts', 'add')
    marks.scanned('/a.ts', 2, [place('add', 5)])
    const scanned = marks.placeOf('/a.ts', 'add')
    marks.scanned('/a.ts', 3, [place('add', 6)])

    expect(typed?.line).toBe(6)
    expect(scanned?.line).toBe(6)
    expect(marks.placeOf('/a.ts', 'add')?.line).toBe(6)
  })

  test('of a text that cannot be parsed stay where the typing has brought them', () => {
    const marks = new Marks()
    marks.opened('/a.ts', [place('add', 4)])

    marks.edited('/a.ts', 2, at(0, 0, 'const half = (\n'))
    marks.scanned('/a.ts', 2, [{ ...place('add', 4), stale: true }])

    expect(marks.placeOf('/a.ts', 'add')?.line).toBe(5)
  })

  test('go with their definitions and their documents', () => {
    const marks = new Marks()
    marks.opened('/a.ts', [place('add', 4), place('mul', 7)])

    marks.scanned('/a.ts', 1, [place('mul', 7)])
    const [add, mul] = [marks.placeOf('/a.ts', 'add'), marks.placeOf('/a.ts', 'mul')]
    marks.closed('/a.ts')

    expect(add).toBeUndefined()
    expect(mul?.line).toBe(7)
    expect(marks.placeOf('/a.ts', 'mul')).toBeUndefined()
  })
})

function place(id: string, line: number) {
  return { id, line, character: 0, stale: false }
}
