import { type CallArguments, readCallRepr, type TaskView } from 'tq-runtime/monitor'
import type { KeyContext } from './key-context.ts'
import type { Intent } from './keymap.ts'
import { type ListName, promptFor } from './state.ts'
import { clean, own } from './ui/text.ts'
import { detailOptions } from './views/detail.ts'
import { tracebackLine } from './views/task-detail.ts'

/** Keys on a task. */
export class TaskKeys {
  readonly #keys: KeyContext
  readonly #moveDown: () => void

  constructor(keys: KeyContext, moveDown: () => void) {
    this.#keys = keys
    this.#moveDown = moveDown
  }

  /** False for keys that mean nothing here. */
  key(intent: Intent, task: TaskView): boolean {
    const { ui } = this.#keys.store.get()
    switch (intent) {
      case 'mark': {
        const marks = new Set(ui.marks)
        if (!marks.delete(task.uuid)) marks.add(task.uuid)
        this.#keys.ui({ marks })
        this.#moveDown()
        return true
      }
      case 'retry':
      case 'revoke':
      case 'terminate':
        this.#change(intent, task)
        return true
      case 'editRetry':
        this.#edit(task)
        return true
      case 'traceback':
        this.#traceback(task)
        return true
      case 'openSource':
        this.#keys.run(this.#open(task), own`open`)
        return true
      case 'rateLimit':
        this.#keys.ui({
          prompt: promptFor(
            { to: 'rateLimit', task: task.name },
            own`rate limit of ${clean(task.name)} (10/s, 10/m, 0 for none): `,
            '',
          ),
        })
        return true
      case 'timeLimit':
        this.#keys.ui({
          prompt: promptFor(
            { to: 'timeLimit', task: task.name },
            own`time limits of ${clean(task.name)} (soft hard, in seconds): `,
            '',
          ),
        })
        return true
      case 'copyId':
        this.#keys.ports.copy(task.uuid)
        this.#keys.say(own`copy`, own`${clean(task.uuid)} is copied, if the terminal allows it`)
        return true
      case 'copyAs':
        this.#copyAs(task)
        return true
      default:
        return false
    }
  }

  #change(intent: 'retry' | 'revoke' | 'terminate', task: TaskView): void {
    const { store } = this.#keys
    const { marks } = store.get().ui
    const marked = store.rows().rows.filter((row): row is TaskView => 'uuid' in row && marks.has(row.uuid))
    const tasks = marked.length > 0 ? marked : [task]
    const what =
      tasks.length === 1
        ? own`${clean(tasks[0]?.name ?? '')} ${clean(tasks[0]?.uuid.slice(-8) ?? '')}`
        : own`${tasks.length} tasks`
    if (intent === 'retry') {
      // Asked where it might be another one than was meant: several, or a row that the list moved under the cursor.
      if (tasks.length === 1 && this.#isHeld()) {
        this.#keys.run(this.#keys.commands.tasks.retry(tasks))
        this.#keys.ui({ marks: new Set() })
      } else this.#keys.ui({ question: { text: own`Send ${what} again?`, act: { do: 'retry', tasks } } })
      return
    }
    const text = intent === 'revoke' ? own`Revoke ${what}?` : own`Revoke ${what} and end it where it runs?`
    this.#keys.ui({ question: { text, act: { do: intent, ids: tasks.map(({ uuid }) => uuid) } } })
  }

  #isHeld(): boolean {
    const { view, cursors } = this.#keys.store.get().ui
    return view !== 'repl' && cursors[view satisfies ListName].selected !== undefined
  }

  /** The arguments as JSON, to be changed. Where the event has cut them, they are fetched first. */
  #edit(task: TaskView): void {
    const ask = (call: CallArguments): void =>
      this.#keys.ui({
        prompt: promptFor({ to: 'retry', task }, own`${clean(task.name)} args: `, callText(call)),
      })
    try {
      return ask(readCallRepr(task.args, task.kwargs))
    } catch {
      // Only the result backend has them whole.
    }
    const { store, commands } = this.#keys
    const fetched = commands.tasks.callOf(task).then((call) => {
      const { prompt, question, menu } = store.get().ui
      // The user may have gone on to something else.
      const row = this.#keys.row()
      const isStillThere = row !== undefined && 'uuid' in row && row.uuid === task.uuid
      if (isStillThere && prompt === undefined && question === undefined && menu === undefined) ask(call)
    })
    this.#keys.run(fetched, own`edit ${clean(task.name)}`)
  }

  #traceback(task: TaskView): void {
    const { store, ports } = this.#keys
    const state = store.get()
    const isOpen = state.ui.pane === 'detail'
    if (!isOpen) this.#keys.enter(task)
    const detailTop = tracebackLine(task, detailOptions(state, ports.look))
    const isThere = isOpen && state.ui.detailTop === detailTop
    this.#keys.ui({ detailTop, ...(isThere ? { wholeTraceback: !state.ui.wholeTraceback } : {}) })
  }

  /** In the detail the lines that failed, from the list the definition. */
  async #open(task: TaskView): Promise<void> {
    const { store, ports } = this.#keys
    const { ui, stored } = store.get()
    const traceback = stored.get(task.uuid)?.traceback ?? task.traceback ?? ''
    const frames = ui.pane === 'detail' ? ports.source.frames(traceback) : []
    if (frames.length === 0) this.#keys.say(own`open ${clean(task.name)}`, own`looking for its definition`)
    const places = frames.length > 0 ? frames : await ports.source.find(task.name)
    const [first] = places
    if (first === undefined) {
      this.#keys.say(own`open ${clean(task.name)}`, own`its definition was not found in this project's source`, {
        failed: true,
      })
    } else if (places.length === 1) await ports.source.edit(first)
    else {
      const items = places
        .slice(0, 9)
        .map((place) => ({ pick: 'open' as const, label: clean(ports.source.name(place)), place }))
      this.#keys.ui({ menu: { title: own`Open`, items, at: 0 } })
    }
  }

  #copyAs(task: TaskView): void {
    try {
      return this.#offerCopies(task, readCallRepr(task.args, task.kwargs))
    } catch {
      // Cut by the event: only the result backend has them whole.
    }
    const fetched = this.#keys.commands.tasks.callOf(task).then((call) => this.#offerCopies(task, call))
    this.#keys.run(fetched, own`copy ${clean(task.name)}`)
  }

  #offerCopies({ name, queue }: TaskView, call: CallArguments): void {
    const hasKwargs = Object.keys(call.kwargs).length > 0
    const parts = [`'${name.replaceAll(/['\\]/gu, '\\$&')}'`, json(call.args)]
    if (hasKwargs || queue !== undefined) parts.push(json(call.kwargs))
    if (queue !== undefined) parts.push(json({ queue }))
    const code = `await app.sendTask(${parts.join(', ')})`
    const flags = [
      `--args ${quote(json(call.args))}`,
      ...(hasKwargs ? [`--kwargs ${quote(json(call.kwargs))}`] : []),
      ...(queue === undefined ? [] : [`--queue ${quote(queue)}`]),
    ]
    const cli = `tq call ${quote(name)} ${flags.join(' ')}`
    const items = [
      { pick: 'copy', label: own`code`, text: code },
      { pick: 'copy', label: own`command line`, text: cli },
    ] as const
    this.#keys.ui({ menu: { title: own`Copy the call as`, items, at: 0 } })
  }
}

/** `[2,2]`, and after it the keywords where there are any: `[2] {"y":2}`. */
export function callText({ args, kwargs }: CallArguments): string {
  return Object.keys(kwargs).length === 0 ? json(args) : `${json(args)} ${json(kwargs)}`
}

/** Reads what `callText` writes. Throws SyntaxError. */
export function readCallText(text: string): CallArguments {
  const end = endOfList(text)
  const args: unknown = JSON.parse(text.slice(0, end))
  if (!Array.isArray(args)) throw new SyntaxError('expected a JSON list')
  const rest = text.slice(end).trim()
  const kwargs: unknown = rest === '' ? {} : JSON.parse(rest)
  if (typeof kwargs !== 'object' || kwargs === null || Array.isArray(kwargs))
    throw new SyntaxError('expected a JSON object of keywords after the list')
  return { args, kwargs: { ...kwargs } }
}

function endOfList(text: string): number {
  let depth = 0
  let isText = false
  for (let i = 0; i < text.length; i++) {
    const char = text[i]
    if (char === '\\') i++
    else if (char === '"') isText = !isText
    else if (!isText && char === '[') depth++
    else if (!isText && char === ']' && --depth === 0) return i + 1
  }
  return text.length
}

function json(value: unknown): string {
  return JSON.stringify(value, (_, each: unknown) => (typeof each === 'bigint' ? Number(each) : each)) ?? 'null'
}

function quote(text: string): string {
  return /^[\w.@%+=:,/-]+$/u.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}
