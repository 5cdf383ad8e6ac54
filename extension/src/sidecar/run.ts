import { isReady, systemClock, type TaskMeta, type Tq } from 'tq-runtime'
import { maskUrl, type TaskView } from 'tq-runtime/monitor'
import type { BrokerPlace } from './broker-place.ts'
import type { Editor } from './editor.ts'
import type { Monitor } from './monitor.ts'
import type { RunParams } from './protocol.ts'
import { NotSentError, sendFromProcess } from './run-process.ts'
import type { RunProcesses } from './run-processes.ts'
import { RunReport, type RunTexts } from './run-report.ts'
import { errorText, valueTexts } from './run-texts.ts'
import type { TargetEntry } from './targets.ts'
import { messageOf, type Texts } from './texts.ts'
import type { WorkerKeeper } from './worker-keeper.ts'
import type { OwnWorker } from './workers.ts'

export interface RunDeps {
  readonly editor: Editor
  readonly texts: Texts
  readonly keeper: WorkerKeeper
  readonly processes: RunProcesses
  /** Queue of the task as its source tells. */
  readonly queueInSource: string | undefined
}

const connectMs = 10_000
const noticeAfterMs = 3000
const lookEveryMs = 2000
/** States that a start ends. */
const early: ReadonlySet<string> = new Set(['PENDING', 'RECEIVED', 'RETRY', 'REJECTED'])
/** How long the stored result and the event of one ending wait for each other. */
const eventWaitMs = 250
const resultWaitMs = 1500

/** One task from the click to its end: user code in a process of its own, then what the broker and the results tell. */
export class Run {
  readonly id: string
  readonly #params: RunParams
  readonly #entry: TargetEntry
  readonly #deps: RunDeps
  readonly #ended = new AbortController()
  readonly #report: RunReport
  #queue: string | undefined
  /** Called with each event. */
  readonly #looking = new Set<() => void>()

  constructor(params: RunParams, entry: TargetEntry, deps: RunDeps) {
    this.id = params.runId
    this.#params = params
    this.#entry = entry
    this.#deps = deps
    const { editor, texts } = deps
    this.#report = new RunReport(params, { editor, texts, target: entry.id })
  }

  /** Id of its target. */
  get target(): string {
    return this.#entry.id
  }

  /** Resolves when nothing more will come of it; never rejects. */
  async perform(): Promise<void> {
    this.#report.update('STARTING')
    try {
      await this.#entry.learning
      const { broker, monitor, reason } = this.#entry
      if (!broker || !monitor) throw new Error(reason ?? 'Its broker is not known.')
      this.#queue = this.#deps.queueInSource ?? broker.defaultQueue
      const renewed = this.#deps.keeper.renew(this.#entry)
      this.#needWorker()
      const id = await this.#send(renewed)
      this.#report.taskId = id
      if (this.#report.isFinal) return await this.#revoke(monitor, id)
      this.#report.update('PENDING')
      monitor.wake()
      await this.#follow(monitor, broker, id)
    } catch (error) {
      if (this.#report.isFinal) return
      const detail = error instanceof NotSentError ? error.detail : messageOf(error)
      this.#finish('ERROR', { text: this.#deps.texts.error(error), detail })
    }
  }

  /** Nothing more is told of it but that it was cancelled. */
  async cancel(): Promise<void> {
    if (this.#report.isFinal) return
    const id = this.#report.taskId
    const { monitor } = this.#entry
    this.#finish('REVOKED', { text: id === undefined ? 'cancelled before it was sent' : 'cancelled' })
    if (id !== undefined && monitor) await this.#revoke(monitor, id)
  }

  /** The sidecar ends: silently. */
  abandon(): void {
    this.#report.abandon()
    this.#ended.abort()
  }

  /** A worker of its target that was started here has ended. */
  workerEnded(worker: OwnWorker): void {
    if (this.#report.isFinal || this.#report.taskId === undefined) return
    if (worker.isRetired()) return this.#needWorker()
    const { hostname } = worker
    const isMine = this.#report.view?.worker === hostname
    const lost = isMine ? ' while it had the task; whether that is run again is said by acksLate' : ''
    const next = this.#entry.broker?.embedded === true ? ' Another one is started.' : ''
    this.#report.say(`Worker ${hostname} has ended${lost}.${next}`)
    this.#needWorker()
  }

  // --- sending --------------------------------------------------------------------------------------------------------

  #send(renewed: Promise<void>): Promise<string> {
    const { task, args } = this.#params
    return sendFromProcess({
      order: { task, args },
      until: renewed,
      place: this.#entry.place,
      editor: this.#deps.editor,
      processes: this.#deps.processes,
      signal: this.#ended.signal,
      onLoaded: (queue) => {
        if (queue === undefined || queue === this.#queue) return
        this.#queue = queue
        this.#needWorker()
      },
    })
  }

  /** On an embedded broker somebody has to run it. */
  #needWorker(): void {
    const queue = this.#queue
    if (queue === undefined || this.#entry.broker?.embedded !== true) return
    this.#deps.keeper.ensure(this.#entry, queue).catch((error: unknown) => {
      this.#report.say(`No worker could be started. ${messageOf(error)}`)
    })
  }

  // --- following ------------------------------------------------------------------------------------------------------

  async #follow(monitor: Monitor, broker: BrokerPlace, id: string): Promise<void> {
    const { signal } = this.#ended
    const finished = Promise.withResolvers<void>()
    signal.addEventListener('abort', () => finished.resolve(), { once: true })
    let stop = (): void => undefined
    const look = systemClock.interval(lookEveryMs, () => this.#lookAtWorker(monitor))
    const notice = systemClock.timer(noticeAfterMs - 1000, () => {
      this.#explain(monitor, broker).catch(() => undefined)
    })
    try {
      while (!signal.aborted) {
        try {
          const app = await monitor.connected(connectMs)
          stop()
          stop = monitor.follow(id, (view) => this.#hear(view))
          for await (const meta of app.result(id).updates({ signal })) await this.#see(meta)
          // Without results only the events tell; with them a watch that ends has seen the end, or was closed.
          if (!this.#report.isFinal) await systemClock.sleep(1000, signal)
        } catch (error) {
          if (signal.aborted) break
          if (/^disabled\b/.test(broker.settings.resultBackend ?? '')) await finished.promise
          else this.#report.say(this.#deps.texts.error(error, 500))
          await systemClock.sleep(1000, signal).catch(() => undefined)
        }
      }
    } finally {
      look.cancel()
      notice.cancel()
      stop()
    }
  }

  #hear(view: TaskView): void {
    if (this.#report.isFinal) return
    this.#report.view = view
    for (const look of this.#looking) look()
    if (isReady(view.state)) {
      // Nothing may be stored for it: then the event is all there is.
      systemClock.timer(resultWaitMs, () => this.#finishBy(view))
    } else if (view.state === 'STARTED') {
      // Progress that was stored may overtake the event of the start.
      const isNews = early.has(this.#report.state ?? '') || this.#report.retries < view.retries
      if (isNews) this.#report.update('STARTED')
    } else if (view.state === 'RECEIVED' && this.#report.state === 'PENDING') this.#report.update('RECEIVED')
    else if (view.state === 'RETRY') {
      // What is stored says it better than the event, where it is stored.
      systemClock.timer(eventWaitMs, () => {
        if (this.#report.view !== view || this.#report.state === 'RETRY') return
        this.#report.update('RETRY', { text: view.exception ?? '', detail: view.traceback })
      })
    }
  }

  async #see(meta: TaskMeta): Promise<void> {
    if (this.#report.isFinal) return
    if (!isReady(meta.state)) {
      if (meta.state === 'RETRY') {
        await this.#event((view) => view.state === 'RETRY' || view.retries > this.#report.retries)
        this.#report.update('RETRY', { text: errorText(meta), detail: meta.traceback })
      } else if (meta.state === 'STARTED') this.#report.update('STARTED')
      else this.#report.update(meta.state, valueTexts(meta.result))
      return
    }
    // How long it took and where, only the event tells.
    await this.#event((view) => isReady(view.state))
    if (this.#report.isFinal) return
    if (meta.state === 'SUCCESS') this.#finish('SUCCESS', valueTexts(meta.result), meta)
    else this.#finish(meta.state, { text: errorText(meta), detail: meta.traceback }, meta)
  }

  /** Resolves with the event that fits, or without it before long. */
  #event(fits: (view: TaskView) => boolean): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        late.cancel()
        this.#looking.delete(look)
        resolve()
      }
      const look = (): void => {
        if (this.#report.view && fits(this.#report.view)) end()
      }
      const late = systemClock.timer(eventWaitMs, end, { ref: true })
      this.#looking.add(look)
      look()
    })
  }

  #finishBy(view: TaskView): void {
    if (this.#report.isFinal) return
    const text = view.result ?? view.exception ?? ''
    this.#finish(view.state, { text, detail: view.traceback ?? text })
  }

  /** Why nothing happens, once it should have. */
  async #explain(monitor: Monitor, broker: BrokerPlace): Promise<void> {
    const queue = this.#queue
    if (this.#report.isFinal || this.#report.state !== 'PENDING' || queue === undefined) return
    const isConsumed = await monitor.isConsumed(queue)
    if (this.#report.isFinal || this.#report.state !== 'PENDING') return
    if (isConsumed) {
      const stranger = monitor.stranger(queue, this.#params.task)
      if (stranger)
        this.#report.say(`Worker ${stranger} consumes queue '${queue}' and does not know '${this.#params.task}'.`)
      return
    }
    const command = `tq worker -Q ${queue}`
    const where = broker.name === 'embedded' ? '' : ` on ${maskUrl(broker.name)}`
    this.#report.say(`No worker consumes queue '${queue}'${where}. Start one: ${command}`)
  }

  #lookAtWorker(monitor: Monitor): void {
    const worker = this.#report.view?.worker
    if (worker === undefined || this.#report.isFinal) return
    const awayMs = monitor.awayMs(worker)
    if (awayMs === undefined) return
    const seconds = Math.round(awayMs / 1000)
    // Every two seconds another number is no news.
    if (this.#report.notice?.startsWith(`Worker ${worker} `) === true && seconds % 10 > 1) return
    this.#report.say(
      `Worker ${worker} has given no sign of life for ${seconds} s: it is gone, or the task keeps it from answering.`,
    )
  }

  async #revoke(monitor: Monitor, id: string): Promise<void> {
    try {
      const app: Tq = await monitor.connected(connectMs)
      await app.result(id).revoke({ terminate: true })
    } catch (error) {
      this.#deps.editor.log('warn', `Could not revoke ${id}; it may still run. ${messageOf(error)}`)
    }
  }

  #finish(state: string, texts: RunTexts, meta?: TaskMeta): void {
    this.#report.finish(state, texts, meta)
    this.#ended.abort()
  }
}
