/** One line of input and the place of the cursor in it. */
export interface LineState {
  readonly text: string
  readonly cursor: number
}

export type LineEdit =
  | { readonly do: 'insert'; readonly text: string }
  | {
      readonly do:
        | 'backspace'
        | 'delete'
        | 'left'
        | 'right'
        | 'start'
        | 'end'
        | 'killToStart'
        | 'killToEnd'
        | 'killWord'
    }

export function newLine(text = ''): LineState {
  return { text, cursor: text.length }
}

export function edit(line: LineState, action: LineEdit): LineState {
  const { text, cursor } = line
  const before = text.slice(0, cursor)
  const after = text.slice(cursor)
  switch (action.do) {
    case 'insert': {
      const added = action.text.replaceAll(/\p{Cc}+/gu, ' ')
      return { text: before + added + after, cursor: cursor + added.length }
    }
    case 'backspace':
      return { text: before.slice(0, before.length - lastLength(before)) + after, cursor: cursor - lastLength(before) }
    case 'delete':
      return { text: before + after.slice(firstLength(after)), cursor }
    case 'left':
      return { text, cursor: cursor - lastLength(before) }
    case 'right':
      return { text, cursor: cursor + firstLength(after) }
    case 'start':
      return { text, cursor: 0 }
    case 'end':
      return { text, cursor: text.length }
    case 'killToStart':
      return { text: after, cursor: 0 }
    case 'killToEnd':
      return { text: before, cursor }
    case 'killWord': {
      const kept = before.replace(/\S*\s*$/u, '')
      return { text: kept + after, cursor: kept.length }
    }
  }
}

function firstLength(text: string): number {
  for (const { segment } of segments(text.slice(0, 64))) return segment.length
  return 0
}

function lastLength(text: string): number {
  return Array.from(segments(text.slice(-64))).at(-1)?.segment.length ?? 0
}

function segments(text: string): Intl.Segments {
  return new Intl.Segmenter('en', { granularity: 'grapheme' }).segment(text)
}
