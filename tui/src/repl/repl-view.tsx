import { Box, Text, useCursor, useInput, usePaste, useWindowSize } from 'ink'
import { type ReactNode, useSyncExternalStore } from 'react'
import type { Menu, ReplController, ScreenState } from './controller.ts'
import { pressesOf } from '../ui/presses.ts'
import { paint } from './paint.ts'

const menuRows = 8

export interface ReplViewProps {
  readonly controller: ReplController
  readonly colours: boolean
}

/** The live rows of the REPL: editor, menu, status. All that is past stands above, in the terminal's own scrollback. */
export function ReplView({ controller, colours }: ReplViewProps): ReactNode {
  const state = useSyncExternalStore(controller.subscribe, controller.snapshot)
  const { columns, rows } = useWindowSize()
  useInput((input, key) => {
    for (const press of pressesOf(input, key)) controller.key(press)
  })
  usePaste((text) => controller.paste(text))
  if (state.isOver === true) return undefined
  if (state.running !== undefined) return <Running status={state.running.status} />
  return <Editor state={state} columns={columns} rows={rows} colours={colours} />
}

function Running({ status }: { readonly status: string }): ReactNode {
  const { setCursorPosition } = useCursor()
  setCursorPosition({ x: 0, y: 0 })
  return <Text dimColor>{status === '' ? ' ' : `… ${status}`}</Text>
}

interface EditorProps {
  readonly state: ScreenState
  readonly columns: number
  readonly rows: number
  readonly colours: boolean
}

function Editor({ state, columns, rows, colours }: EditorProps): ReactNode {
  const { setCursorPosition } = useCursor()
  const { editor, menu, hint, preview, known } = state
  const extra = [hint, preview].filter((line) => line !== undefined)
  const below = Math.min(menu?.names.length ?? 0, menuRows) + extra.length
  const found = editor.search?.found
  const searching = editor.search === undefined ? undefined : `(search) ${editor.search.query}: `
  const shown = found === undefined ? editor : { ...editor, text: editor.history[found] ?? '', cursor: 0 }
  // One row less than the terminal has: a frame that fills it makes Ink clear the scrollback.
  const room = Math.max(1, rows - 2 - Math.min(below, Math.max(0, rows - 3)))
  const painted = paint(shown, { prompt: searching ?? state.prompt, columns, rows: room, colours, known })
  setCursorPosition(painted.cursor)
  return (
    <Box flexDirection="column" width={columns}>
      {painted.rows.map((row, i) => (
        <Text key={i} wrap="truncate">
          {row === '' ? ' ' : row}
        </Text>
      ))}
      {menu === undefined ? undefined : <MenuRows menu={menu} rows={Math.min(menuRows, Math.max(1, rows - 3))} />}
      {extra.map((line) => (
        <Text key={line} wrap="truncate" dimColor>
          {`  ${line}`}
        </Text>
      ))}
    </Box>
  )
}

function MenuRows({ menu, rows }: { readonly menu: Menu; readonly rows: number }): ReactNode {
  const first = Math.min(Math.max(0, menu.selected - rows + 1), Math.max(0, menu.names.length - rows))
  return menu.names.slice(first, first + rows).map((name, i) => (
    <Text key={name} wrap="truncate" inverse={first + i === menu.selected}>
      {`${first + i === menu.selected ? '>' : ' '} ${name} `}
    </Text>
  ))
}
