import type { Clock, Tq } from 'tq-runtime'
import { isRefusal, type Refusal } from 'tq-runtime/monitor'
import type { Store } from './store.ts'
import { type Clean, clean } from './ui/text.ts'

export interface NoteKind {
  readonly failed?: boolean | undefined
  readonly quiet?: boolean | undefined
}

/** How long workers have to answer. */
export const answerMs = 1500

/** Everything that was sent or happened, line by line, each as the command line that does the same. */
export class CommandLog {
  readonly #store: Store
  readonly #clock: Clock
  readonly #app: () => Tq | undefined
  #last = 0

  constructor(store: Store, clock: Clock, app: () => Tq | undefined) {
    this.#store = store
    this.#clock = clock
    this.#app = app
  }

  /** A line that is no command; a `quiet` one stands only in the log. */
  readonly note = (command: Clean, answer: Clean, { failed = false, quiet = false }: NoteKind = {}): void => {
    const entry = { id: ++this.#last, atMs: this.#clock.now(), command, answer, failed, quiet }
    this.#store.dispatch({ on: 'log', entry })
  }

  /**
   * Does something over the connection and tells how it went; never rejects. What nobody asked for is `quiet`, so that it does not
   * take the place of an answer that somebody waits for; its failure is not.
   */
  async run(command: Clean, work: (app: Tq) => Promise<Clean>, { quiet = false }: NoteKind = {}): Promise<void> {
    const entry = { id: ++this.#last, atMs: this.#clock.now(), command, quiet }
    this.#store.dispatch({ on: 'log', entry })
    try {
      const app = this.#app()
      if (app === undefined) throw new Error('There is no connection to the broker.')
      const answer = await work(app)
      this.#store.dispatch({ on: 'log', entry: { ...entry, answer } })
    } catch (error) {
      this.#store.dispatch({ on: 'log', entry: { ...entry, answer: messageOf(error), failed: true, quiet: false } })
    }
  }
}

/** What an error says, fit to be shown. */
export function messageOf(error: unknown): Clean {
  return clean(error instanceof Error ? error.message : String(error))
}

/** `w1@box: pool will grow; w2@box: …`. Throws that nobody answered, or the same text where one refused. */
export function answersOf<T extends object>(
  replies: Readonly<Record<string, T | Refusal>>,
  text: (value: T) => string,
): Clean {
  const all = Object.entries(replies).map(([hostname, one]) => `${hostname}: ${isRefusal(one) ? one.error : text(one)}`)
  if (all.length === 0) throw new Error(`Nobody answered within ${answerMs / 1000} s.`)
  if (Object.values(replies).some(isRefusal)) throw new Error(all.join('; '))
  return clean(all.join('; '))
}
