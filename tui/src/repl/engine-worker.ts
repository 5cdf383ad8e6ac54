import type { ReplApp } from './follow.ts'
import { shortWorker } from './notes.ts'
import type { Answers, EngineEvent } from './protocol.ts'

/** Sees to it that somebody runs the tasks: on an embedded broker a worker is started where there is none, once. */
export class EngineWorker {
  readonly #app: () => ReplApp | undefined
  readonly #send: (event: EngineEvent) => void
  #worker: Promise<string | undefined> | undefined

  constructor(app: () => ReplApp | undefined, send: (event: EngineEvent) => void) {
    this.#app = app
    this.#send = send
  }

  /** Resolves with what is to be said of the worker; undefined without one. Never rejects. */
  see(): Promise<string | undefined> {
    const app = this.#app()
    if (app === undefined || app.eager) return Promise.resolve(undefined)
    this.#worker ??= app.ensureWorker().then(
      ({ started, hostname }) => {
        // A worker that somebody else started is there, but not known by name.
        const name = hostname === undefined ? '' : `worker ${shortWorker(hostname)}`
        const text = started ? `${name} started (ephemeral)` : name
        this.#send({ event: 'worker', text })
        return text
      },
      (error: unknown) => {
        this.#worker = undefined
        this.#send({ event: 'worker', text: `no worker: ${error instanceof Error ? error.message : String(error)}` })
        return undefined
      },
    )
    return this.#worker
  }

  /** `.eager` and back. */
  async setEager(on: boolean): Promise<Answers['eager']> {
    const app = this.#app()
    if (app === undefined) return { eager: false, problem: 'No app is loaded, so there are no tasks to run eagerly.' }
    app.eager = on
    if (!on) await this.see()
    return { eager: app.eager }
  }

  /** `.worker`: looks again, whatever was found before. */
  async ask(): Promise<Answers['worker']> {
    const app = this.#app()
    if (app === undefined) return { problem: 'No app is loaded, so there is nothing for a worker to do.' }
    app.eager = false
    this.#worker = undefined
    return { worker: (await this.see()) ?? '' }
  }
}
