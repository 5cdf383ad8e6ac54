import { Box, Text } from 'ink'
import type { ReactNode } from 'react'
import type { Painted } from '../ui/paint.ts'

/** One line, cut where the terminal ends. */
export function Line({ text }: { readonly text: Painted }): ReactNode {
  return (
    <Box height={1} flexShrink={0} overflow="hidden">
      <Text wrap="truncate">{text === '' ? ' ' : text}</Text>
    </Box>
  )
}

interface EdgesProps {
  readonly columns: number
  readonly left: Painted
  readonly right: Painted
}

/** A line with a left and a right end; nothing is drawn between them. */
export function Edges({ columns, left, right }: EdgesProps): ReactNode {
  if (right === '') return <Line text={left} />
  return (
    <Box width={columns} height={1} flexShrink={0} justifyContent="space-between" overflow="hidden">
      <Text wrap="truncate">{left === '' ? ' ' : left}</Text>
      <Box flexShrink={0}>
        <Text>{right}</Text>
      </Box>
    </Box>
  )
}

interface LinesProps {
  readonly lines: readonly Painted[]
  readonly columns: number
}

/** Lines below each other in a pane of a fixed width, as one text: none may be wider than the pane. */
export function Lines({ lines, columns }: LinesProps): ReactNode {
  return (
    <Box width={columns} flexShrink={0} overflow="hidden">
      <Text wrap="truncate">
        {lines.length === 0 ? ' ' : lines.map((line) => (line === '' ? ' ' : line)).join('\n')}
      </Text>
    </Box>
  )
}
