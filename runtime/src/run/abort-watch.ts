import type { ResultBackend } from '../backends/result-backend.ts'
import { AbortedError } from '../core/errors.ts'
import { abortedState } from '../core/states.ts'

/** Looks at the stored state of a task while it runs: its signal aborts when somebody stores that it is to be aborted. */
export class AbortWatch {
  readonly #id: string
  readonly #backend: () => Promise<ResultBackend>
  readonly #aborting = new AbortController()
  readonly #ended = new AbortController()

  constructor(id: string, backend: () => Promise<ResultBackend>) {
    this.#id = id
    this.#backend = backend
  }

  get signal(): AbortSignal {
    return this.#aborting.signal
  }

  /** Resolves when what was stored before is known. Where no states are kept, nobody can abort it. */
  async start(): Promise<void> {
    const backend = await this.#backend()
    if (backend.keepsStates === false) return
    const [meta] = await backend.fetch([this.#id])
    if (meta?.state === abortedState) this.#abort()
    else void this.#watch(backend)
  }

  stop(): void {
    this.#ended.abort()
  }

  async #watch(backend: ResultBackend): Promise<void> {
    try {
      for await (const { state } of backend.watch([this.#id], this.#ended.signal)) {
        if (state === abortedState) return this.#abort()
      }
    } catch {
      // The store went away. `isAborted()` asks for itself, and says so to the task.
    }
  }

  #abort(): void {
    this.#aborting.abort(new AbortedError())
  }
}

/** Whether a task ends with it because it was aborted. By code: a project may hold two copies of the package. */
export function isAbort(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'TQ_ABORTED'
}
