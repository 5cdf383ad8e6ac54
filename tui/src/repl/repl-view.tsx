import { Box, type Key, Text, useCursor, useInput, usePaste, useWindowSize } from 'ink'
import { type ReactNode, useSyncExternalStore } from 'react'
import type { Menu, ReplController, ScreenState } from './controller.ts'
import type { KeyName, KeyPress } from './keys.ts'
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

/** Ink hands over what one read brought: a key, or several characters, an Enter among them. */
function pressesOf(input: string, key: Key): readonly KeyPress[] {
  const name = nameOf(key)
  const modifiers = { ctrl: key.ctrl, meta: key.meta && name !== 'escape', shift: key.shift }
  if (name !== undefined) return [{ input: '', name, ...modifiers }]
  if (key.ctrl || key.meta || input.length <= 1) return [{ input, ...modifiers }]
  // oxlint-disable-next-line no-control-regex -- they are what is looked for
  const parts = input.split(/(\r\n|[\u0000-\u001f\u007f])/u)
  return parts.filter((part) => part !== '').map(pressOf)
}

/** A run of characters, or one control character, from the middle of a chunk: Ink names only those that come alone. */
function pressOf(part: string): KeyPress {
  const plain = { ctrl: false, meta: false, shift: false }
  const code = part.charCodeAt(0)
  if (code >= 32 && code !== 127) return { input: part, ...plain }
  const name = controlNames[code]
  if (name !== undefined) return { input: '', name, ...plain }
  return { input: String.fromCharCode(code + 96), ...plain, ctrl: true }
}

const controlNames: Readonly<Record<number, KeyName>> = {
  8: 'backspace',
  9: 'tab',
  10: 'enter',
  13: 'enter',
  27: 'escape',
  127: 'backspace',
}

function nameOf(key: Key): KeyName | undefined {
  if (key.upArrow) return 'up'
  if (key.downArrow) return 'down'
  if (key.leftArrow) return 'left'
  if (key.rightArrow) return 'right'
  if (key.home) return 'home'
  if (key.end) return 'end'
  if (key.pageUp) return 'pageUp'
  if (key.pageDown) return 'pageDown'
  if (key.return) return 'enter'
  if (key.tab) return 'tab'
  if (key.backspace) return 'backspace'
  if (key.delete) return 'delete'
  return key.escape ? 'escape' : undefined
}
