import type { ResultBackend } from '../backends/result-backend.ts'
import type { SignatureData } from '../core/signature.ts'
import type { KeyStore } from '../transports/key-store.ts'
import { applyCanvas } from './apply-canvas.ts'
import type { AsyncResult, ResultSource } from './async-result.ts'
import { currentContext } from './context.ts'
import { EagerResult } from './eager-result.ts'
import { normalise, startsOf } from './normal-form.ts'
import { type Call, callOf, prepare, type Prepared } from './send.ts'
import type { TqApp } from './tq.ts'
import { whenValid } from './valid-calls.ts'

/** How calls run here instead of being sent. Given by the package's index, so that this floor does not reach up. */
export interface EagerRunner {
  /** Runs it and all that follows from it; resolves when it has ended, or at once for what another eager task sends. */
  run(prepared: Prepared, options: { readonly wait: boolean }): Promise<EagerRun>
  backend(): Promise<ResultBackend>
  keyStore(): Promise<KeyStore>
  close(): Promise<void>
}

export interface EagerRun {
  /** What a task ended with that failed; undefined otherwise and where nobody waited. */
  readonly error: Error | undefined
  /** Runs it took, retries included; 0 where nobody waited. */
  readonly attempts: number
  /** Virtual ms that its ETA and retries would have taken. */
  readonly simulatedMs: number
}

/** Runs calls of one app here: those that are applied, and all of them while the app is eager. */
export class EagerCalls {
  readonly #app: TqApp
  readonly #makeRunner: () => Promise<EagerRunner>
  #runner: Promise<EagerRunner> | undefined

  constructor(app: TqApp, makeRunner: () => Promise<EagerRunner>) {
    this.#app = app
    this.#makeRunner = makeRunner
  }

  /** Instead of sending; see EagerRunner. */
  async run(prepared: Prepared, options: { readonly wait: boolean }): Promise<EagerRun> {
    return (await this.#eagerRunner()).run(prepared, options)
  }

  /** Runs a call here, whatever the app's mode. Its own calls go where calls of the app go. */
  async apply<R>(call: Call, source: ResultSource, propagates: boolean): Promise<EagerResult<R>> {
    const known = call.known ?? this.#app.registry.get(call.task)
    const prepared = await whenValid(this.#app, [call], () => prepare(this.#app, { ...call, known }))
    return this.#applyBy(await this.#applier(), prepared, source, propagates)
  }

  /** As `apply`, for a canvas: see `applyCanvas`. */
  async applySignature(signature: SignatureData, source: ResultSource): Promise<unknown> {
    const app = this.#app
    const starts = startsOf(normalise(signature)).map((one) => callOf(one, {}))
    const runner = await whenValid(app, starts, () => this.#applier())
    const runTask = (one: SignatureData): Promise<AsyncResult<unknown>> => {
      const prepared = prepare(app, { ...callOf(one, {}), known: app.registry.get(one.task) })
      return this.#applyBy(runner, prepared, source, false)
    }
    return applyCanvas({ runTask, source: { ...source, backend: () => runner.backend() } }, signature)
  }

  async backend(): Promise<ResultBackend> {
    return (await this.#eagerRunner()).backend()
  }

  async keyStore(): Promise<KeyStore> {
    return (await this.#eagerRunner()).keyStore()
  }

  async close(): Promise<void> {
    const runner = this.#runner
    this.#runner = undefined
    await (await runner)?.close()
  }

  #applier(): Promise<EagerRunner> {
    return currentContext() ? this.#makeRunner() : this.#eagerRunner()
  }

  async #applyBy<R>(
    runner: EagerRunner,
    prepared: Prepared,
    source: ResultSource,
    propagates: boolean,
  ): Promise<EagerResult<R>> {
    const { error, attempts, simulatedMs } = await runner.run(prepared, { wait: true })
    if (error && propagates) throw error
    const { id, task: name } = prepared.message
    const backend = await runner.backend()
    const [stored] = await backend.fetch([id])
    const own = { ...source, backend: async () => backend }
    return new EagerResult<R>(own, id, { attempts, simulatedMs }, { name, stored })
  }

  #eagerRunner(): Promise<EagerRunner> {
    this.#runner ??= this.#makeRunner()
    return this.#runner
  }
}
