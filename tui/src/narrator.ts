import { stripVTControlCharacters } from 'node:util'
import { isAlive, type TaskView, type WorkerView } from 'tq-runtime/monitor'
import type { Place } from './keymap.ts'
import { idOf } from './rows.ts'
import type { ConsoleState, QueueView, ViewName } from './state.ts'
import type { Store } from './store.ts'
import { age, runtime, shortId } from './ui/figures.ts'
import { asciiGlyphs, type Look, type Painted } from './ui/paint.ts'
import { type Clean, clean, own } from './ui/text.ts'
import { detailLines } from './views/detail.ts'
import { helpLines, logLines, menuLabel } from './views/overlays.ts'

const titles: Readonly<Record<ViewName, string>> = {
  tasks: 'Tasks',
  running: 'Running',
  workers: 'Workers',
  queues: 'Queues',
  scheduled: 'Scheduled',
  failed: 'Failed',
  repl: 'REPL',
}

const words: Readonly<Record<string, string>> = {
  SUCCESS: 'OK',
  FAILURE: 'FAIL',
  STARTED: 'running',
  RECEIVED: 'held',
  PENDING: 'waiting',
  RETRY: 'will be retried',
  REVOKED: 'revoked',
  REJECTED: 'rejected',
}

/** Failures that are told one by one in one second; of more only the number. */
const toldFailures = 3
const helpColumns = 100

/** Tells in lines what a screen would show: for a screen reader, which reads what is added and nothing else. */
export class Narrator {
  readonly #store: Store
  readonly #look: Look
  readonly #place: () => Place
  #last: ConsoleState
  #lastRow: string | undefined
  /** Failures and workers as they were when they were last told. */
  #heard: ConsoleState
  #toldLog = 0
  /** The detail as it was told, but for ages. */
  #toldDetail = ''

  constructor(store: Store, place: () => Place, utc: boolean) {
    this.#store = store
    this.#place = place
    this.#look = { colour: false, glyphs: asciiGlyphs, utc }
    this.#last = this.#heard = store.get()
  }

  /** What it begins with: the numbers of the views. */
  greeting(): readonly Clean[] {
    const views = this.#store
      .get()
      .keymap.filter(({ intent }) => intent in titles && intent !== 'repl')
      .map(({ intent, keys }) => `${keys[0] ?? '-'} ${titles[intent as ViewName]}`) // it is in titles
    return [clean(`tq console. ${views.join(', ')}, ? help, q quit.`)]
  }

  /** What has changed by a key. */
  afterKey(): readonly Clean[] {
    const before = this.#last
    const state = this.#store.get()
    const { ui } = state
    const lines = [...this.#changes(before, state)]
    const { rows } = this.#store.rows()
    const index = this.#store.cursorIndex()
    const row = rows[index]
    const id = row && idOf(row)
    const isNewView = ui.view !== before.ui.view
    const isList = ui.pane === 'list' && !ui.menu && !ui.question && !ui.prompt
    if (isNewView || (ui.filter !== before.ui.filter && ui.prompt === undefined) || (before.ui.prompt && !ui.prompt)) {
      const filter = ui.filter === '' ? '' : `, filter ${ui.filter}`
      lines.push(clean(`${titles[ui.view]}: ${rows.length} ${rows.length === 1 ? 'row' : 'rows'}${filter}.`))
    }
    if (ui.pane === 'detail' && before.ui.pane !== 'detail') lines.push(...this.#detail())
    else if (isList && row !== undefined && (isNewView || id !== this.#lastRow || before.ui.pane === 'detail'))
      lines.push(own`${clean(String(index + 1))}: ${this.#rowText(row, state)}`)
    this.#last = state
    this.#lastRow = id
    return lines
  }

  /** What has happened by itself; to be asked once a second. */
  afterWhile(): readonly Clean[] {
    const before = this.#heard
    const state = this.#store.get()
    this.#heard = state
    const lines: Clean[] = []
    if (state.connection.state !== before.connection.state) lines.push(connectionText(state))
    lines.push(...this.#answers(state), ...workerLines(before, state))
    const failed: TaskView[] = []
    for (const task of state.cluster.tasks.values())
      if (task.state === 'FAILURE' && before.cluster.tasks.get(task.uuid)?.state !== 'FAILURE') failed.push(task)
    for (const task of failed.slice(0, toldFailures))
      lines.push(clean(`failed: ${task.name} ${shortId(task.uuid)}: ${task.exception ?? 'no reason is known'}`))
    if (failed.length > toldFailures) lines.push(own`and ${failed.length - toldFailures} more failures`)
    const { ui } = state
    const row = this.#store.rows().rows[this.#store.cursorIndex()]
    if (ui.pane === 'detail' && row !== undefined && 'uuid' in row) {
      const stored = state.stored.get(row.uuid)
      const told = this.#toldDetail
      const detail = stored !== undefined && stored !== before.stored.get(row.uuid) ? this.#detail() : []
      if (detail.length > 0 && this.#toldDetail !== told) lines.push(own`as it is stored:`, ...detail)
    }
    return lines
  }

  #changes(before: ConsoleState, state: ConsoleState): readonly Clean[] {
    const { ui } = state
    const was = before.ui
    const lines: Clean[] = [...this.#answers(state)]
    if (ui.sort !== was.sort) lines.push(own`sorted by ${clean(ui.sort)}`)
    if (ui.marks.size !== was.marks.size) lines.push(own`${ui.marks.size} marked`)
    if ((ui.frozen === undefined) !== (was.frozen === undefined)) lines.push(clean(ui.frozen ? 'frozen' : 'live again'))
    if (ui.overlay !== was.overlay && ui.overlay === 'help')
      lines.push(...helpLines(state.keymap, this.#place(), helpColumns, this.#look).map(unpainted))
    if (ui.overlay !== was.overlay && ui.overlay === 'log')
      lines.push(...logLines(state, helpColumns, this.#look).map(unpainted))
    const { menu } = ui
    if (menu !== undefined && menu.items !== was.menu?.items) {
      lines.push(menu.title, ...menu.items.map((item, i) => own`${i + 1} ${menuLabel(item, state)}`))
    } else if (menu !== undefined && (menu.at !== was.menu?.at || ui.hiddenColumns !== was.hiddenColumns)) {
      const item = menu.items[menu.at]
      if (item) lines.push(own`${menu.at + 1} ${menuLabel(item, state)}`)
    }
    if (ui.question !== undefined && ui.question !== was.question) lines.push(own`${ui.question.text} y or n`)
    return lines
  }

  #detail(): readonly Clean[] {
    const lines = detailLines(this.#store, this.#look).map(unpainted)
    this.#toldDetail = lines.join('\n').replaceAll(/\d+[smhd] ago/gu, '')
    return lines
  }

  /** Commands that were answered since. */
  #answers({ log }: ConsoleState): readonly Clean[] {
    const fresh = log.filter(({ id, answer, quiet }) => id > this.#toldLog && answer !== undefined && quiet !== true)
    this.#toldLog = Math.max(this.#toldLog, ...fresh.map(({ id }) => id))
    return fresh.map(
      ({ command, answer, failed }) => own`${clean(failed ? 'error: ' : '')}${command}: ${answer ?? clean('')}`,
    )
  }

  #rowText(row: TaskView | WorkerView | QueueView, { nowMs, slots, ui }: ConsoleState): Clean {
    if ('uuid' in row) {
      const parts = [
        `${words[row.state] ?? row.state} ${row.name} ${shortId(row.uuid)}`,
        row.args,
        ...(row.exception === undefined ? [] : [row.exception]),
        ...(row.worker === undefined ? [] : [`on ${row.worker}`]),
        ...(row.runtime === undefined ? [] : [`took ${runtime(row.runtime)}`]),
        `${age(nowMs - row.order.timestampMs)} ago`,
        ...(ui.marks.has(row.uuid) ? ['marked'] : []),
      ]
      return clean(parts.join(', '))
    }
    if ('hostname' in row) {
      const busy = slots.get(row.hostname)
      return clean(
        `${row.hostname}, ${workerWord(row, nowMs)}, ${row.active}${busy === undefined ? '' : ` of ${busy}`} busy, ${row.processed} done`,
      )
    }
    return clean(
      `${row.name}, ${row.ready} ready, ${row.held} held, ${row.parked} parked, ${row.consumers ?? 'unknown'} workers`,
    )
  }
}

/** Without the styles: a screen reader reads words. */
function unpainted(line: Painted): Clean {
  return clean(stripVTControlCharacters(line))
}

function workerWord(worker: WorkerView, nowMs: number): string {
  return worker.offline ? 'offline' : isAlive(worker, nowMs) ? 'online' : 'not heard of any more'
}

function workerLines(before: ConsoleState, state: ConsoleState): readonly Clean[] {
  const lines: Clean[] = []
  for (const worker of state.cluster.workers.values()) {
    const known = before.cluster.workers.get(worker.hostname)
    const word = workerWord(worker, state.nowMs)
    if (known === undefined || workerWord(known, before.nowMs) !== word)
      lines.push(clean(`worker ${worker.hostname}: ${word}`))
  }
  return lines
}

function connectionText({ connection }: ConsoleState): Clean {
  if (connection.state === 'lost') return own`broker lost: ${connection.reason ?? clean('no reason was given')}`
  return own`${connection.broker}: ${clean(connection.state)}`
}
