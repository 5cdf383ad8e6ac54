import type { KeyPress } from './repl/keys.ts'

/** What a key asks for. */
export type Intent =
  | 'down'
  | 'up'
  | 'first'
  | 'last'
  | 'pageDown'
  | 'pageUp'
  | 'halfDown'
  | 'halfUp'
  | 'paneLeft'
  | 'paneRight'
  | 'paneNext'
  | 'enter'
  | 'back'
  | 'quitOrBack'
  | 'quit'
  | 'tasks'
  | 'running'
  | 'workers'
  | 'queues'
  | 'scheduled'
  | 'failed'
  | 'repl'
  | 'command'
  | 'filter'
  | 'help'
  | 'sort'
  | 'columns'
  | 'wrap'
  | 'freeze'
  | 'mark'
  | 'redraw'
  | 'reconnect'
  | 'suspend'
  | 'traceback'
  | 'openSource'
  | 'copyId'
  | 'copyAs'
  | 'inspect'
  | 'retry'
  | 'editRetry'
  | 'revoke'
  | 'terminate'
  | 'grow'
  | 'shrink'
  | 'autoscale'
  | 'addQueue'
  | 'dropQueue'
  | 'rateLimit'
  | 'timeLimit'
  | 'shutdown'
  | 'coldShutdown'

/** Where a binding holds: in every view but the REPL, or in lists of one kind only. */
export type Place = 'anywhere' | 'task' | 'worker'

export interface Binding {
  readonly intent: Intent
  readonly keys: readonly string[]
  readonly place: Place
  /** For the help. */
  readonly does: string
  /** For the footer; absent: not shown there. */
  readonly hint?: string | undefined
  /** It changes tasks, queues or workers: refused when read-only. */
  readonly changes?: boolean | undefined
}

function bind(place: Place, intent: Intent, keys: string, does: string, hint?: string): Binding {
  return { intent, keys: keys.split(' '), place, does, hint }
}

function change(place: Place, intent: Intent, keys: string, does: string, hint?: string): Binding {
  return { ...bind(place, intent, keys, does, hint), changes: true }
}

/** Every key of the console: what handles keys, what prints the help and the footer. */
export type Keymap = readonly Binding[]

/** The keys unless a keymap file says otherwise. What changes the world is a capital or + -; G, N and Y only move or copy. */
export const defaultKeymap: Keymap = [
  bind('anywhere', 'down', 'j down n', 'next row'),
  bind('anywhere', 'up', 'k up N', 'previous row'),
  bind('anywhere', 'first', 'g home', 'first row, and follow what is new'),
  bind('anywhere', 'last', 'G end', 'last row'),
  bind('anywhere', 'pageDown', 'pageDown', 'a page down'),
  bind('anywhere', 'pageUp', 'pageUp', 'a page up'),
  bind('anywhere', 'halfDown', 'ctrl-d', 'half a page down'),
  bind('anywhere', 'halfUp', 'ctrl-u', 'half a page up'),
  bind('anywhere', 'paneLeft', 'h left', 'to the list'),
  bind('anywhere', 'paneRight', 'l right', 'to the detail'),
  bind('anywhere', 'paneNext', 'tab shift-tab', 'other pane'),
  bind('anywhere', 'enter', 'enter', 'into the detail; of a task with all that is stored'),
  bind('anywhere', 'back', 'escape', 'back; clears marks and filter'),
  bind('anywhere', 'quitOrBack', 'q', 'back, and quit from a list', 'quit'),
  bind('anywhere', 'quit', 'ctrl-c', 'quit at once'),
  bind('anywhere', 'tasks', '1', 'tasks'),
  bind('anywhere', 'running', '2', 'running tasks'),
  bind('anywhere', 'workers', '3', 'workers'),
  bind('anywhere', 'queues', '4', 'queues'),
  bind('anywhere', 'scheduled', '5', 'tasks with an ETA'),
  bind('anywhere', 'failed', '6', 'failed tasks'),
  bind('anywhere', 'repl', '0', 'REPL; Esc or Ctrl-D comes back'),
  bind('anywhere', 'command', ':', 'command line: a view, filter, sort, log, quit'),
  bind('anywhere', 'filter', '/', 'filter: word  state:FAILURE  name:mail.*  age:<1h  -word'),
  bind('anywhere', 'help', '?', 'this help'),
  bind('anywhere', 'sort', 's', 'sort by the next column'),
  bind('anywhere', 'columns', 'c', 'choose the columns of tasks'),
  bind('anywhere', 'wrap', 'w', 'wrap long values', 'wrap'),
  bind('anywhere', 'freeze', 'p', 'freeze the list; again: go on', 'freeze'),
  bind('anywhere', 'redraw', 'ctrl-l', 'draw again'),
  bind('anywhere', 'reconnect', 'ctrl-r', 'connect again'),
  bind('anywhere', 'suspend', 'ctrl-z', 'suspend; fg comes back'),
  change('task', 'retry', 'R', 'send again with the same arguments (marked ones: all)', 'retry'),
  change('task', 'editRetry', 'E', 'send again with other arguments', 'edit'),
  change('task', 'revoke', 'X', 'revoke: do not run (marked ones: all)', 'revoke'),
  change('task', 'terminate', 'K', 'revoke, and end it where it runs', 'terminate'),
  bind('task', 'traceback', 't', 'traceback; again: with the frames of libraries', 'traceback'),
  bind('task', 'openSource', 'o', 'open the definition in $EDITOR; in the detail: what failed', 'source'),
  bind('task', 'mark', 'space', 'mark', 'mark'),
  bind('task', 'copyId', 'y', 'copy the id', 'copy id'),
  bind('task', 'copyAs', 'Y', 'copy the call as code or as a command line'),
  change('task', 'rateLimit', 'L', 'limit how often a task runs, on every worker'),
  change('task', 'timeLimit', 'T', 'time limits of a task, on every worker'),
  bind('worker', 'inspect', 'i', 'ping and ask what it is doing', 'inspect'),
  change('worker', 'shutdown', 'S', 'warm shutdown: finish what runs, then end', 'shutdown'),
  change('worker', 'grow', '+', 'pool: one more', 'grow'),
  change('worker', 'shrink', '-', 'pool: one less', 'shrink'),
  change('worker', 'autoscale', 'A', 'pool: between a least and a largest size', 'autoscale'),
  change('worker', 'addQueue', 'Q', 'consume one more queue', 'add queue'),
  change('worker', 'dropQueue', 'D', 'no longer consume a queue', 'drop queue'),
  change('worker', 'rateLimit', 'L', 'limit how often a task runs here'),
  change('worker', 'timeLimit', 'T', 'time limits of a task here'),
  change('worker', 'coldShutdown', 'K', 'cold shutdown: end at once; its name must be typed'),
]

/** The binding of a key in a place. */
export function bindingOf(press: KeyPress, place: Place, keymap: Keymap = defaultKeymap): Binding | undefined {
  const key = keyName(press)
  return keymap.find((one) => one.keys.includes(key) && (one.place === 'anywhere' || one.place === place))
}

/** `j`, `ctrl-d`, `shift-tab`, `space`, `pageDown`. */
export function keyName({ input, name, ctrl, shift }: KeyPress): string {
  if (name !== undefined) return name === 'tab' && shift ? 'shift-tab' : name
  if (input === ' ') return 'space'
  return ctrl ? `ctrl-${input}` : input
}

const keyNames: Readonly<Record<string, string>> = {
  space: 'Space',
  enter: 'Enter',
  escape: 'Esc',
  tab: 'Tab',
  'shift-tab': 'Shift-Tab',
  backspace: 'Backspace',
  delete: 'Del',
  pageDown: 'PgDn',
  pageUp: 'PgUp',
  up: 'Up',
  down: 'Down',
  left: 'Left',
  right: 'Right',
  home: 'Home',
  end: 'End',
}

/** `Ctrl-D`, `Space`, `PgDn`, `j`. */
export function keyLabel(key: string): string {
  return keyNames[key] ?? (key.startsWith('ctrl-') ? `Ctrl-${key.slice(5).toUpperCase()}` : key)
}

/** The first key of an intent as it is shown, e.g. in `Ctrl-R tries now`. */
export function labelOf(intent: Intent, keymap: Keymap): string {
  return keyLabel(keymap.find((one) => one.intent === intent)?.keys[0] ?? '')
}

/** Whether a text can be a key: `ctrl-x`, a name such as `pageDown`, or one character. */
export function isKey(text: string): boolean {
  if (Object.hasOwn(keyNames, text) || /^ctrl-[a-z\\\]^_]$/u.test(text)) return true
  return text !== ' ' && Array.from(new Intl.Segmenter('en', { granularity: 'grapheme' }).segment(text)).length === 1
}

/** Keys that two bindings of one place both want, as sentences; empty when all is well. */
export function conflictsOf(all: Keymap): readonly string[] {
  const taken = new Map<string, Binding>()
  const found: string[] = []
  const places: readonly Place[] = ['task', 'worker']
  for (const place of places) {
    taken.clear()
    for (const one of all.filter((each) => each.place === 'anywhere' || each.place === place)) {
      for (const key of one.keys) {
        const other = taken.get(key)
        if (other !== undefined) found.push(`Key ${key} is bound to ${other.intent} and to ${one.intent}.`)
        taken.set(key, one)
      }
    }
  }
  return [...new Set(found)]
}
