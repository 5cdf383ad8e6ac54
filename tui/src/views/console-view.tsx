import { Box, Text, useCursor, useInput, usePaste, useWindowSize } from 'ink'
import { type ReactNode, useLayoutEffect, useSyncExternalStore } from 'react'
import type { ConsoleController } from '../controller.ts'
import { layoutOf, leastSize, type Layout } from '../layout.ts'
import { keysOf } from '../ui/presses.ts'
import type { ReplPane } from '../repl-pane.ts'
import type { Store } from '../store.ts'
import { type Look, paint, type Painted } from '../ui/paint.ts'
import { clean, own } from '../ui/text.ts'
import { detailLines } from './detail.ts'
import { commandLine, hintsLine } from './footer.ts'
import { bannerLine, headerLine, tabsLine } from './header.ts'
import { ListBody } from './list.tsx'
import { Edges, Line, Lines } from '../components/line.tsx'
import { helpLines, logLines, menuLines } from './overlays.ts'
import { ReplBody } from './repl.tsx'
import type { TaskPainter } from './tasks.ts'

export interface ConsoleViewProps {
  readonly store: Store
  readonly controller: ConsoleController
  readonly painter: TaskPainter
  readonly look: Look
}

/** The whole screen. Its frame is one row lower than the terminal. */
export function ConsoleView(props: ConsoleViewProps): ReactNode {
  const { store, controller, look } = props
  const state = useSyncExternalStore(store.subscribe, store.get)
  const { columns, rows } = useWindowSize()
  useLayoutEffect(() => {
    const { size } = store.get()
    if (size.columns !== columns || size.rows !== rows) store.dispatch({ on: 'resize', size: { columns, rows } })
  }, [store, columns, rows])
  useInput((input, key) => {
    for (const press of keysOf(input, key)) controller.key(press)
  })
  usePaste((text) => controller.paste(text))
  const { size, ui } = state
  // A frame of the old size would be garbled; the effect above brings the new one at once.
  if (size.columns !== columns || size.rows !== rows) return <Box height={Math.max(1, rows - 1)} />
  const layout = layoutOf(size, state.connection.state === 'lost')
  if (layout.kind === 'small') return <TooSmall columns={columns} rows={rows} layout={layout} look={look} />
  const header = headerLine(state, look)
  const tabs = tabsLine(state, look)
  const banner = bannerLine(state, look)
  const command = commandLine(state, look)
  const repl = ui.view === 'repl' ? controller.repl : undefined
  return (
    <Box flexDirection="column" width={columns} height={layout.height} overflow="hidden">
      <Edges columns={columns} left={header.left} right={header.right} />
      <Edges columns={columns} left={tabs.left} right={tabs.right} />
      {banner === undefined ? undefined : <Line text={banner} />}
      <Box height={layout.bodyRows} overflow="hidden">
        {repl === undefined ? (
          <Body {...props} layout={layout} />
        ) : (
          <ReplBody pane={repl} layout={layout} top={banner === undefined ? 2 : 3} colours={look.colour} />
        )}
      </Box>
      {layout.hasHints ? (
        <Line text={repl === undefined ? hintsLine(state, controller.place(), look) : replHints(repl, look)} />
      ) : undefined}
      <Line text={command.text} />
      {repl === undefined ? <PromptCursor x={command.cursor} y={layout.height - 1} /> : undefined}
    </Box>
  )
}

function Body({ store, controller, painter, look, layout }: ConsoleViewProps & { readonly layout: Layout }): ReactNode {
  const state = store.get()
  const { ui } = state
  if (ui.overlay !== undefined) {
    const lines =
      ui.overlay === 'help'
        ? helpLines(state.keymap, controller.place(), layout.columns, look)
        : logLines(state, layout.columns, look)
    const top = Math.min(ui.overlayTop, Math.max(0, lines.length - layout.bodyRows))
    return <Lines lines={lines.slice(top, top + layout.bodyRows)} columns={layout.columns} />
  }
  if (ui.menu !== undefined && layout.kind !== 'split') {
    return <Lines lines={menuLines(state, layout.columns, look).slice(0, layout.bodyRows)} columns={layout.columns} />
  }
  if (layout.kind === 'split') {
    return (
      <>
        <ListBody store={store} painter={painter} look={look} layout={layout} />
        <Detail store={store} look={look} layout={layout} isFocused={ui.pane === 'detail'} />
      </>
    )
  }
  if (ui.pane === 'detail') {
    const lines = detailLines(store, look)
    return <Lines lines={lines.slice(ui.detailTop, ui.detailTop + layout.bodyRows)} columns={layout.columns} />
  }
  return <ListBody store={store} painter={painter} look={look} layout={layout} />
}

interface DetailProps {
  readonly store: Store
  readonly look: Look
  readonly layout: Layout
  readonly isFocused: boolean
}

function Detail({ store, look, layout, isFocused }: DetailProps): ReactNode {
  const { detailTop } = store.get().ui
  const { menu } = store.get().ui
  const bar = paint(own`${clean(look.glyphs.bar)} `, isFocused || menu !== undefined ? 'key' : 'dim', look)
  // A menu takes the place of the detail, so that the list shows what it does.
  const lines =
    menu === undefined
      ? detailLines(store, look).slice(detailTop, detailTop + layout.bodyRows)
      : menuLines(store.get(), layout.detailColumns - 2, look).slice(0, layout.bodyRows)
  const bars = Array.from({ length: layout.bodyRows }, () => bar)
  return (
    <>
      <Lines lines={bars} columns={2} />
      <Lines lines={lines} columns={layout.detailColumns - 2} />
    </>
  )
}

function replHints(_repl: ReplPane, look: Look): Painted {
  return paint(clean(' Esc back to the lists  Ctrl-D ends the REPL  .help'), 'dim', look)
}

/** The terminal's own cursor, where something is typed. A component: of two that place it in one frame the outer one would win. */
function PromptCursor({ x, y }: { readonly x: number | undefined; readonly y: number }): ReactNode {
  const { setCursorPosition } = useCursor()
  setCursorPosition(x === undefined ? undefined : { x, y })
  return undefined
}

interface TooSmallProps {
  readonly columns: number
  readonly rows: number
  readonly layout: Layout
  readonly look: Look
}

function TooSmall({ columns, rows, layout, look }: TooSmallProps): ReactNode {
  const text = own`terminal too small (${columns}x${rows}), need ${leastSize.columns}x${leastSize.rows}`
  return (
    <Box width={columns} height={layout.height} overflow="hidden">
      <Text wrap="wrap">{paint(text, 'plain', look)}</Text>
    </Box>
  )
}
