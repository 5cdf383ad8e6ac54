import { EngineEndedError } from './engine-client.ts'
import { duration, followNote, waitingNote } from './notes.ts'
import type { Printer } from './printer.ts'
import type { EvalAnswer } from './protocol.ts'
import type { Session } from './session.ts'

export interface RunnerDeps {
  readonly session: Session
  readonly printer: Printer
  readonly columns: () => number
  readonly colours: boolean
  /** What the status line says while an input is evaluated; undefined when it is over. */
  readonly onStatus: (status: string | undefined) => void
  readonly hasWorker: () => boolean
  readonly broker: () => string
}

const timerAfterMs = 1_000
const noConsumerAfterMs = 3_000

/** Evaluates one input after the other: its status while it runs, then its value or error in print. */
export class Runner {
  readonly #deps: RunnerDeps
  #status: string | undefined
  #ticker: NodeJS.Timeout | undefined

  constructor(deps: RunnerDeps) {
    this.#deps = deps
  }

  /** False when it failed. */
  async evaluate(code: string): Promise<boolean> {
    const { session, printer, columns, colours } = this.#deps
    this.#watch()
    try {
      const answer = await session.evaluate(code, { width: columns(), colours })
      printer.flush()
      return this.#show(answer)
    } catch (error) {
      printer.flush()
      if (!(error instanceof EngineEndedError)) throw error
      return false
    } finally {
      this.stop()
      this.#say(undefined)
    }
  }

  /** The state of the task that is followed. */
  state(state: string): void {
    if (this.#status !== undefined) this.#say(state)
  }

  stop(): void {
    clearInterval(this.#ticker)
  }

  #show(answer: EvalAnswer): boolean {
    const { printer } = this.#deps
    if ('incomplete' in answer) return false
    if ('error' in answer) {
      if (answer.error.kind === 'interrupted') printer.note(answer.error.text)
      else printer.error(answer.error.text)
      if (answer.followed !== undefined && answer.error.kind === 'task')
        printer.note(followNote(answer.followed, answer.ms))
      return false
    }
    if (answer.followed !== undefined) printer.followed(answer.text, followNote(answer.followed, answer.ms))
    else if (answer.unfollowed !== undefined && answer.text === '') printer.note(answer.unfollowed)
    else if (answer.type !== 'undefined') printer.value(answer.text)
    return true
  }

  /** The status line of a followed task: nothing for a moment, then its state, then how long it takes. */
  #watch(): void {
    const started = performance.now()
    this.#say('')
    let warned = false
    this.#ticker = setInterval(() => {
      const ms = performance.now() - started
      if (this.#status === undefined || ms < timerAfterMs) return
      this.#say(`${this.#status.split(' · ')[0] ?? ''} · ${duration(ms)} · Ctrl-C`)
      if (warned || this.#deps.hasWorker() || ms < noConsumerAfterMs || !this.#status.startsWith('PENDING')) return
      warned = true
      this.#deps.printer.note(waitingNote(this.#deps.broker()))
    }, 100)
  }

  #say(status: string | undefined): void {
    this.#status = status
    this.#deps.onStatus(status)
  }
}
