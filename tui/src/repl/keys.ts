import type { EditorAction } from './editor.ts'

/** The part of Ink's `Key` that is looked at. */
export interface KeyPress {
  readonly input: string
  readonly ctrl: boolean
  readonly meta: boolean
  readonly shift: boolean
  /** Name of a key that is not a character. */
  readonly name?: KeyName | undefined
}

export type KeyName =
  | 'up'
  | 'down'
  | 'left'
  | 'right'
  | 'home'
  | 'end'
  | 'pageUp'
  | 'pageDown'
  | 'enter'
  | 'escape'
  | 'tab'
  | 'backspace'
  | 'delete'

/** What a key means to the REPL as a whole; everything else edits. */
export type Command =
  | 'enter'
  | 'newline'
  | 'complete'
  | 'completeBack'
  | 'escape'
  | 'cancel'
  | 'endOfInput'
  | 'clearScreen'
  | 'suspend'
  | 'search'

/** The only place where keys are bound: emacs as in readline. */
export function meaningOf(key: KeyPress): { readonly command: Command } | { readonly edit: EditorAction } | undefined {
  const command = commandOfKey(key)
  if (command !== undefined) return { command }
  const action = actionOf(key)
  return action === undefined ? undefined : { edit: action }
}

function commandOfKey(key: KeyPress): Command | undefined {
  if (key.name === 'enter') return key.meta || key.shift ? 'newline' : 'enter'
  if (key.name === 'tab') return key.shift ? 'completeBack' : 'complete'
  if (key.name === 'escape') return 'escape'
  return key.ctrl ? controlCommands[key.input] : undefined
}

const controlCommands: Readonly<Record<string, Command>> = {
  c: 'cancel',
  d: 'endOfInput',
  l: 'clearScreen',
  z: 'suspend',
  r: 'search',
  j: 'newline',
}

const controlEdits: Readonly<Record<string, EditorAction>> = {
  a: { do: 'lineStart' },
  e: { do: 'lineEnd' },
  b: { do: 'left' },
  f: { do: 'right' },
  p: { do: 'up' },
  n: { do: 'down' },
  h: { do: 'backspace' },
  k: { do: 'killToEnd' },
  u: { do: 'killToStart' },
  w: { do: 'killWordLeft' },
  y: { do: 'yank' },
}

const metaEdits: Readonly<Record<string, EditorAction>> = {
  b: { do: 'wordLeft' },
  f: { do: 'wordRight' },
  d: { do: 'killWordRight' },
  '<': { do: 'textStart' },
  '>': { do: 'textEnd' },
}

function actionOf(key: KeyPress): EditorAction | undefined {
  switch (key.name) {
    case 'up':
      return { do: 'up' }
    case 'down':
      return { do: 'down' }
    case 'left':
      return { do: key.ctrl || key.meta ? 'wordLeft' : 'left' }
    case 'right':
      return { do: key.ctrl || key.meta ? 'wordRight' : 'right' }
    case 'home':
      return { do: key.ctrl ? 'textStart' : 'lineStart' }
    case 'end':
      return { do: key.ctrl ? 'textEnd' : 'lineEnd' }
    case 'pageUp':
      return { do: 'previous' }
    case 'pageDown':
      return { do: 'next' }
    case 'backspace':
      return { do: key.meta ? 'killWordLeft' : 'backspace' }
    case 'delete':
      return { do: 'delete' }
    case 'enter':
    case 'escape':
    case 'tab':
      return undefined
    case undefined:
      if (key.ctrl) return controlEdits[key.input]
      if (key.meta) return metaEdits[key.input]
      return key.input === '' ? undefined : { do: 'insert', text: key.input }
  }
}
