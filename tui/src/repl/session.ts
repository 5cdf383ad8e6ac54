import { EngineClient, type EngineEnd, type EngineListener, type Evaluation } from './engine-client.ts'
import type { EvalAnswer, Ready, StartOptions } from './protocol.ts'

export interface SessionListener extends EngineListener {
  /** The engine ended unasked and is being started again. Absent: it is not. */
  onRestart?: ((end: EngineEnd) => void) | undefined
}

/** How long an interrupt may have no effect before the engine is killed. */
const patienceMs = 1_000

/** One REPL session: the engine of the moment, its replacement when it dies, and the inputs that made its state. */
export class Session {
  readonly #listener: SessionListener
  #engine: EngineClient
  #options: StartOptions | undefined
  #ready = Promise.withResolvers<Ready>()
  #running: { readonly evaluation: Evaluation; interrupted: boolean } | undefined
  #inputs: string[] = []
  eager = false

  /** The engine process starts here; what it loads is said with `start`. */
  constructor(listener: SessionListener) {
    this.#listener = listener
    this.#engine = this.#newEngine()
  }

  get engine(): EngineClient {
    return this.#engine
  }

  /** Inputs that succeeded since the engine started. */
  get inputs(): readonly string[] {
    return this.#inputs
  }

  get isRunning(): boolean {
    return this.#running !== undefined
  }

  get ready(): Promise<Ready> {
    return this.#ready.promise
  }

  async start(options: StartOptions): Promise<Ready> {
    this.#options = options
    const ready = await this.#engine.start(options)
    this.eager = ready.eager
    this.#ready.resolve(ready)
    return ready
  }

  /** Rejects with EngineEndedError when the engine dies of it; by then another one is starting. */
  async evaluate(code: string, options: { readonly width: number; readonly colours: boolean }): Promise<EvalAnswer> {
    const running = { evaluation: this.#engine.evaluate(code, options), interrupted: false }
    this.#running = running
    try {
      const answer = await running.evaluation.answer
      if ('text' in answer && code.trim() !== '') this.#inputs.push(code)
      return answer
    } finally {
      this.#running = undefined
    }
  }

  /** First asks, then kills: the second call, or one second without effect, ends the engine. False when nothing runs. */
  interrupt(): boolean {
    const running = this.#running
    if (running === undefined) return false
    const engine = this.#engine
    if (running.interrupted) {
      engine.kill()
      return true
    }
    running.interrupted = true
    running.evaluation.interrupt()
    setTimeout(() => this.#running === running && engine.kill(), patienceMs).unref()
    return true
  }

  /** A new engine with the same options: fresh modules, no bindings. Gives the inputs that `.rerun` would replay. */
  async reload(): Promise<Ready> {
    await this.#engine.close()
    return this.#replace()
  }

  /** The inputs so far, and forgets them: they are recorded again as they are replayed. */
  takeInputs(): readonly string[] {
    const inputs = this.#inputs
    this.#inputs = []
    return inputs
  }

  close(): Promise<void> {
    return this.#engine.close()
  }

  #newEngine(): EngineClient {
    const engine: EngineClient = new EngineClient({
      onOutput: (stream, text) => this.#listener.onOutput(stream, text),
      onEvent: (event) => this.#listener.onEvent(event),
      onEnd: (end) => {
        this.#listener.onEnd(end)
        if (this.#options === undefined || this.#listener.onRestart === undefined) return
        void this.#replace().catch(() => undefined)
        this.#listener.onRestart(end)
      },
    })
    return engine
  }

  #replace(): Promise<Ready> {
    this.#engine = this.#newEngine()
    this.#ready = Promise.withResolvers<Ready>()
    const options = this.#options
    if (options === undefined) throw new Error('The session has not been started.')
    return this.start({ ...options, eager: this.eager })
  }
}
