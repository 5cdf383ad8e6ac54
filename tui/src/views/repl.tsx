import { Box, Text, useCursor } from 'ink'
import { type ReactNode, useSyncExternalStore } from 'react'
import type { Layout } from '../layout.ts'
import { paint } from '../repl/paint.ts'
import type { ReplPane } from '../repl-pane.ts'
import { wrapStyled } from '../ui/styled.ts'

const menuRows = 6

interface ReplBodyProps {
  readonly pane: ReplPane
  readonly layout: Layout
  /** Row of the screen at which the pane begins. */
  readonly top: number
  readonly colours: boolean
}

/** What the REPL printed, and below it its live rows: editor, menu, hint. */
export function ReplBody({ pane, layout, top, colours }: ReplBodyProps): ReactNode {
  useSyncExternalStore(pane.subscribe, pane.version)
  const { setCursorPosition } = useCursor()
  const { editor, menu, hint, preview, running, prompt, known } = pane.controller.snapshot()
  const { columns, bodyRows } = layout
  const below = [hint, preview].filter((line) => line !== undefined).map((line) => `  ${line}`)
  const choices = menu === undefined ? [] : menuLines(menu.names, menu.selected)
  const searching = editor.search === undefined ? undefined : `(search) ${editor.search.query}: `
  const found = editor.search?.found
  const shown = found === undefined ? editor : { ...editor, text: editor.history[found] ?? '', cursor: 0 }
  const room = Math.max(1, bodyRows - choices.length - below.length)
  const painted = paint(shown, { prompt: searching ?? prompt, columns, rows: room, colours, known })
  const live = running === undefined ? painted.rows : [running.status === '' ? '' : `… ${running.status}`]
  const space = Math.max(0, bodyRows - live.length - choices.length - below.length)
  const past = wrapStyled(pane.lines, columns, space)
  setCursorPosition({
    x: running === undefined ? painted.cursor.x : 0,
    y: top + past.length + (running === undefined ? painted.cursor.y : 0),
  })
  return (
    <Box flexDirection="column" width={columns} overflow="hidden">
      {[...past, ...live, ...choices, ...below].map((line, i) => (
        <Text key={i} wrap="truncate">
          {line === '' ? ' ' : line}
        </Text>
      ))}
    </Box>
  )
}

function menuLines(names: readonly string[], selected: number): readonly string[] {
  const first = Math.min(Math.max(0, selected - menuRows + 1), Math.max(0, names.length - menuRows))
  return names
    .slice(first, first + menuRows)
    .map((name, i) => (first + i === selected ? `\u001b[7m> ${name} \u001b[0m` : `  ${name}`))
}
