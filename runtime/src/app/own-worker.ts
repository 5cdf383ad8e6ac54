import type { EphemeralWorker } from './ephemeral-worker.ts'
import type { TqApp } from './tq.ts'

/** What `ensureWorker` found or did. */
export interface EnsuredWorker {
  readonly started: boolean
  readonly hostname: string | undefined
}

/** The worker that an app on an embedded broker starts for itself where nobody else consumes. */
export class OwnWorker {
  readonly #app: TqApp
  #worker: Promise<EphemeralWorker> | undefined

  constructor(app: TqApp) {
    this.#app = app
  }

  /** Rejects with LoadError when the started worker ends at once. */
  async ensure(queue: string): Promise<EnsuredWorker> {
    const app = this.#app
    const { file } = app
    if (!app.connections.embedded) return { started: false, hostname: undefined }
    const transport = await app.connections.transport()
    if (this.#worker) return { started: false, hostname: (await this.#worker).hostname }
    // A broadcast queue is each worker's own; whoever consumes the default queue stands for them.
    const isBroadcast = app.router.queues.get(queue).broadcast
    const { consumers } = await transport.queueInfo(isBroadcast ? app.settings.taskDefaultQueue : queue)
    if (consumers !== 0 || file === undefined) return { started: false, hostname: undefined }
    const own = app.workerQueues()
    const options = {
      cwd: app.projectFolder() ?? process.cwd(),
      queues: own.includes(queue) ? undefined : [...own, queue],
    }
    this.#worker = import('./ephemeral-worker.ts').then((module) => module.startEphemeralWorker(file, options))
    this.#worker.catch(() => {
      this.#worker = undefined
    })
    return { started: true, hostname: (await this.#worker).hostname }
  }

  async stop(): Promise<void> {
    const worker = this.#worker
    this.#worker = undefined
    await (await worker?.catch(() => undefined))?.stop()
  }
}
