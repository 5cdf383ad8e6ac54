import { replayEvents, reduceEvents, type WorkerEvent } from 'tq-runtime/monitor'
import type { Size } from './layout.ts'
import { edit, type LineEdit } from './line.ts'
import {
  type Connection,
  type ConsoleState,
  type Inspected,
  kindOf,
  type LogEntry,
  type QueueView,
  type Stored,
  type UiState,
  type ViewName,
} from './state.ts'

/** What can happen to the state. */
export type Action =
  | { readonly on: 'events'; readonly events: readonly WorkerEvent[]; readonly nowMs: number; readonly dropped: number }
  | { readonly on: 'history'; readonly events: readonly WorkerEvent[]; readonly nowMs: number }
  | { readonly on: 'connection'; readonly connection: Connection }
  | { readonly on: 'queues'; readonly queues: readonly QueueView[] }
  | { readonly on: 'inspected'; readonly worker: string; readonly inspected: Inspected }
  | { readonly on: 'project'; readonly folder: string }
  | { readonly on: 'stored'; readonly id: string; readonly stored: Stored }
  | { readonly on: 'slots'; readonly slots: ReadonlyMap<string, number> }
  | { readonly on: 'log'; readonly entry: LogEntry }
  | { readonly on: 'tick'; readonly nowMs: number }
  | { readonly on: 'resize'; readonly size: Size }
  | { readonly on: 'view'; readonly view: ViewName }
  | { readonly on: 'select'; readonly id: string | undefined; readonly at: number }
  | { readonly on: 'filter'; readonly text: string }
  | { readonly on: 'ui'; readonly change: Partial<UiState> }
  | { readonly on: 'line'; readonly edit: LineEdit }

const logKept = 200
const storedKept = 20

/** The state after it. */
export function reduce(state: ConsoleState, action: Action): ConsoleState {
  switch (action.on) {
    case 'events': {
      const { events, nowMs, dropped } = action
      if (events.length === 0) return state
      const cluster = reduceEvents(state.cluster, events, nowMs)
      return { ...state, cluster, nowMs: Math.max(nowMs, state.nowMs), dropped: state.dropped + dropped }
    }
    case 'history':
      return { ...state, cluster: replayEvents(state.cluster, action.events, action.nowMs) }
    case 'connection':
      return { ...state, connection: action.connection }
    case 'queues':
      return { ...state, queues: action.queues }
    case 'inspected':
      return { ...state, inspected: new Map(state.inspected).set(action.worker, action.inspected) }
    case 'project':
      return { ...state, folder: action.folder }
    case 'stored': {
      const others = [...state.stored].filter(([id]) => id !== action.id)
      return { ...state, stored: new Map([...others, [action.id, action.stored] as const].slice(-storedKept)) }
    }
    case 'slots':
      return { ...state, slots: new Map([...state.slots, ...action.slots]) }
    case 'log': {
      const others = state.log.filter(({ id }) => id !== action.entry.id)
      return { ...state, log: [...others, action.entry].slice(-logKept) }
    }
    case 'tick':
      return { ...state, nowMs: action.nowMs }
    case 'resize':
      return { ...state, size: action.size }
    case 'view':
      return showView(state, action.view)
    case 'select': {
      const { view } = state.ui
      if (view === 'repl') return state
      const cursor = { ...state.ui.cursors[view], selected: action.id, at: action.at }
      return withUi(state, { cursors: { ...state.ui.cursors, [view]: cursor }, detailTop: 0 })
    }
    case 'filter':
      return withUi(state, { filter: action.text })
    case 'ui':
      return withUi(state, action.change)
    case 'line': {
      const { prompt } = state.ui
      if (prompt === undefined) return state
      const line = edit(prompt.line, action.edit)
      return withUi(state, {
        prompt: { ...prompt, line },
        ...(prompt.purpose.to === 'filter' ? { filter: line.text } : {}),
      })
    }
  }
}

function showView(state: ConsoleState, view: ViewName): ConsoleState {
  const { ui } = state
  const before = ui.view === 'repl' ? ui.before : ui.view
  const from = kindOf(before)
  const to = kindOf(view === 'repl' ? before : view)
  const filters =
    from === to ? {} : { filter: ui.otherFilters[to] ?? '', otherFilters: { ...ui.otherFilters, [from]: ui.filter } }
  const closed = { pane: 'list', detailTop: 0, overlay: undefined, menu: undefined, marks: new Set<string>() } as const
  return withUi(state, { view, before, ...filters, ...closed })
}

/** The state with a change of what the keys decide. */
export function withUi(state: ConsoleState, change: Partial<UiState>): ConsoleState {
  return { ...state, ui: { ...state.ui, ...change } }
}
