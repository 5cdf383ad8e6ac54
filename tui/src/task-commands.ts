import type { TaskMeta, Tq } from 'tq-runtime'
import { type CallArguments, readCallRepr, type TaskView } from 'tq-runtime/monitor'
import type { CommandLog } from './command-log.ts'
import { printValue, textLimit } from './repl/print.ts'
import type { Stored } from './state.ts'
import type { Store } from './store.ts'
import { LongText } from './ui/long-text.ts'
import { clean, cleanLines, own } from './ui/text.ts'

/** New limits of a task in seconds; null takes one away. */
export interface TimeLimits {
  readonly soft: number | null
  readonly hard: number | null
}

/** What can be done to tasks; each tells in the command log how it went. */
export class TaskCommands {
  readonly #store: Store
  readonly #log: CommandLog
  readonly #app: () => Tq | undefined

  constructor(store: Store, log: CommandLog, app: () => Tq | undefined) {
    this.#store = store
    this.#log = log
    this.#app = app
  }

  async revoke(ids: readonly string[], options: { readonly terminate: boolean }): Promise<void> {
    const flag = options.terminate ? '--terminate ' : ''
    await this.#log.run(clean(`tq control revoke ${flag}${ids.join(' ')}`), async (app) => {
      await app.control.revoke(ids, options)
      return own`sent for ${ids.length} ${clean(ids.length === 1 ? 'task' : 'tasks')}`
    })
  }

  /** Each task sent again under a new id; with `call` the one task with other arguments. */
  async retry(tasks: readonly TaskView[], call?: CallArguments): Promise<void> {
    for (const task of tasks) {
      const queue = task.queue === undefined ? '' : ` --queue ${task.queue}`
      const kwargs = task.kwargs === '' || task.kwargs === '{}' ? '' : ` ${task.kwargs}`
      const shown = call === undefined ? `${task.args}${kwargs}` : JSON.stringify(call.args)
      await this.#log.run(clean(`tq call ${task.name} ${shown}${queue}`), async (app) => {
        if (task.name === '') throw new Error('Its name is not known: the event that tells it was not seen.')
        const { args, kwargs: named } = call ?? (await this.callOf(task))
        const options = task.queue === undefined ? {} : { queue: task.queue }
        const result = await app.sendTask(task.name, args, named, options)
        return clean(`retry of ${task.uuid.slice(-8)}: ${result.id}`)
      })
    }
  }

  /** The stored arguments where results hold them (resultExtended), else what the event shows; rejects if that cannot be read back. */
  async callOf(task: TaskView): Promise<CallArguments> {
    const meta = await this.#metaOf(task).catch(() => undefined)
    if (meta?.args !== undefined) return { args: meta.args, kwargs: meta.kwargs ?? {} }
    return readCallRepr(task.args, task.kwargs)
  }

  /** Reads the whole arguments, result and traceback of a task; they become its detail. */
  async look(task: TaskView): Promise<void> {
    const meta = await this.#metaOf(task)
    if (meta === undefined) return
    const { state, args, kwargs, result, error, traceback } = meta
    const stored: Stored = {
      state,
      args: args && textOf(args),
      kwargs: kwargs && Object.keys(kwargs).length > 0 ? textOf(kwargs) : undefined,
      result: error === undefined && result !== undefined ? textOf(result) : undefined,
      error: error && bounded(`${error.type}: ${error.message.map(String).join(', ')}`),
      traceback: traceback?.slice(0, textLimit),
    }
    this.#store.dispatch({ on: 'stored', id: task.uuid, stored })
  }

  async #metaOf(task: TaskView): Promise<TaskMeta | undefined> {
    const backend = await this.#app()?.connections.backend()
    return (await backend?.fetch([task.uuid]))?.[0]
  }
}

/** The part that keys use. */
export type TaskActions = Pick<TaskCommands, 'revoke' | 'retry' | 'callOf' | 'look'>

function textOf(value: unknown): LongText {
  return new LongText(cleanLines(printValue(value, { width: 76, colours: false, hints: false }).text))
}

function bounded(text: string): LongText {
  return new LongText(cleanLines(text.length > textLimit ? `${text.slice(0, textLimit)}\n… cut` : text))
}
