import type { KeyContext } from './key-context.ts'
import type { LineEdit } from './line.ts'
import type { KeyPress } from './repl/keys.ts'
import type { Prompt, Purpose } from './state.ts'
import { readCallText } from './task-keys.ts'
import { type Clean, clean, own } from './ui/text.ts'

/** Lines that are typed: their keys, and what is done with them. */
export class Prompts {
  readonly #keys: KeyContext
  readonly #onCommand: (text: string) => void

  constructor(keys: KeyContext, onCommand: (text: string) => void) {
    this.#keys = keys
    this.#onCommand = onCommand
  }

  key(press: KeyPress, prompt: Prompt): void {
    if (press.name === 'escape') {
      this.#keys.ui({ prompt: undefined, ...(prompt.purpose.to === 'filter' ? { filter: prompt.before } : {}) })
    } else if (press.name === 'enter') {
      this.#keys.ui({ prompt: undefined })
      this.#done(prompt.purpose, prompt.line.text.trim())
    } else {
      const edit = lineEditOf(press)
      if (edit) this.#keys.store.dispatch({ on: 'line', edit })
    }
  }

  #done(purpose: Purpose, text: string): void {
    const { tasks, workers } = this.#keys.commands
    if (text === '' && purpose.to !== 'filter') return
    const words = text.split(/\s+/u)
    switch (purpose.to) {
      case 'filter':
        return
      case 'command':
        return this.#onCommand(text)
      case 'retry':
        return this.#try(clean(`tq call ${purpose.task.name}`), () => tasks.retry([purpose.task], readCallText(text)))
      case 'autoscale':
        return this.#try(own`autoscale`, () => {
          const [max, min = 0] = numbers(words, 'most least', 1, 2)
          return workers.autoscale(purpose.worker, max ?? 0, min ?? 0)
        })
      case 'addQueue':
        return this.#keys.run(workers.addQueue(purpose.worker, text))
      case 'dropQueue':
        return this.#keys.run(workers.dropQueue(purpose.worker, text))
      case 'rateLimit': {
        const { task, worker } = purpose
        return this.#try(own`rate limit`, () => {
          const [name, rate] = named(task, words, 'task rate, e.g. mail.send 10/m')
          if (rate.length !== 1 || !/^\d+(?:\.\d+)?(?:\/[smh])?$/u.test(rate[0] ?? ''))
            throw new SyntaxError('expected a rate such as 10/s, 10/m, 10/h, or 0 for none')
          return workers.rateLimit(name, rate[0] ?? '', worker)
        })
      }
      case 'timeLimit': {
        const { task, worker } = purpose
        return this.#try(own`time limits`, () => {
          const [name, given] = named(task, words, 'task soft hard, e.g. mail.send 10 20')
          const [soft = null, hard = null] = numbers(given, 'soft hard', 1, 2)
          return workers.timeLimit(name, { soft, hard }, worker)
        })
      }
      case 'coldShutdown': {
        const { worker } = purpose
        if (text === worker.hostname) return this.#keys.run(workers.coldShutdown(worker))
        return this.#keys.say(own`cold shutdown`, own`not done: that is not ${clean(worker.hostname)}`)
      }
      default:
        return purpose satisfies never
    }
  }

  #try(what: Clean, work: () => Promise<void>): void {
    try {
      this.#keys.run(work())
    } catch (error) {
      this.#keys.say(what, clean(error instanceof Error ? error.message : String(error)), { failed: true })
    }
  }
}

function named(task: string | undefined, words: readonly string[], form: string): readonly [string, readonly string[]] {
  if (task !== undefined) return [task, words]
  const [name = '', ...rest] = words
  if (rest.length === 0) throw new SyntaxError(`expected ${form}`)
  return [name, rest]
}

/** Numbers; `-` and `none` stand for none. */
function numbers(words: readonly string[], form: string, least: number, most: number): readonly (number | null)[] {
  const found = words.map((word) => (word === '-' || word === 'none' ? null : Number(word)))
  if (found.length < least || found.length > most || found.some((one) => one !== null && !(one >= 0)))
    throw new SyntaxError(`expected ${form}: numbers`)
  return found
}

function lineEditOf(press: KeyPress): LineEdit | undefined {
  switch (press.name) {
    case 'backspace':
    case 'delete':
    case 'left':
    case 'right':
      return { do: press.name }
    case 'home':
      return { do: 'start' }
    case 'end':
      return { do: 'end' }
    case undefined: {
      if (press.ctrl) return controlEdits[press.input]
      return press.meta || press.input === '' ? undefined : { do: 'insert', text: press.input }
    }
    default:
      return undefined
  }
}

const controlEdits: Readonly<Record<string, LineEdit>> = {
  a: { do: 'start' },
  e: { do: 'end' },
  b: { do: 'left' },
  f: { do: 'right' },
  h: { do: 'backspace' },
  d: { do: 'delete' },
  u: { do: 'killToStart' },
  k: { do: 'killToEnd' },
  w: { do: 'killWord' },
}
