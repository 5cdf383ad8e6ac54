import { isReady, systemClock, type TaskMeta, type Tq } from 'tq-runtime'
import { maskUrl, type TaskView } from 'tq-runtime/monitor'
import type { BrokerPlace } from './broker-place.ts'
import type { Editor } from './editor.ts'
import type { Monitor } from './monitor.ts'
import type { NodeChooser } from './node-choice.ts'
import { type RunParams, type RunUpdate, runUpdated } from './protocol.ts'
import { NotSentError, sendFromProcess } from './run-process.ts'
import { errorText, valueTexts } from './run-texts.ts'
import type { TargetEntry } from './targets.ts'
import { longestDetail, longestLine, messageOf, type Texts } from './texts.ts'
import type { WorkerKeeper } from './worker-keeper.ts'
import type { OwnWorker } from './workers.ts'

export interface RunDeps {
  readonly editor: Editor
  readonly texts: Texts
  readonly keeper: WorkerKeeper
  readonly nodes: NodeChooser
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
  #taskId: string | undefined
  #queue: string | undefined
  #last: RunUpdate | undefined
  #notice: string | undefined
  #view: TaskView | undefined
  #isFinal = false
  /** Called with each event. */
  readonly #looking = new Set<() => void>()

  constructor(params: RunParams, entry: TargetEntry, deps: RunDeps) {
    this.id = params.runId
    this.#params = params
    this.#entry = entry
    this.#deps = deps
  }

  /** Id of its target. */
  get target(): string {
    return this.#entry.id
  }

  /** Resolves when nothing more will come of it; never rejects. */
  async perform(): Promise<void> {
    this.#update('STARTING')
    try {
      await this.#entry.learning
      const { broker, monitor, reason } = this.#entry
      if (!broker || !monitor) throw new Error(reason ?? 'Its broker is not known.')
      this.#queue = this.#deps.queueInSource ?? broker.defaultQueue
      this.#needWorker()
      const id = await this.#send()
      this.#taskId = id
      if (this.#isFinal) return await this.#revoke(monitor, id)
      this.#update('PENDING')
      monitor.wake()
      await this.#follow(monitor, broker, id)
    } catch (error) {
      if (this.#isFinal) return
      const detail = error instanceof NotSentError ? error.detail : messageOf(error)
      this.#finish('ERROR', { text: this.#deps.texts.error(error), detail })
    }
  }

  /** Nothing more is told of it but that it was cancelled. */
  async cancel(): Promise<void> {
    if (this.#isFinal) return
    const id = this.#taskId
    const { monitor } = this.#entry
    this.#finish('REVOKED', { text: id === undefined ? 'cancelled before it was sent' : 'cancelled' })
    if (id !== undefined && monitor) await this.#revoke(monitor, id)
  }

  /** The sidecar ends: silently. */
  abandon(): void {
    this.#isFinal = true
    this.#ended.abort()
  }

  /** A worker of its target that was started here has ended. */
  workerEnded({ hostname }: OwnWorker): void {
    if (this.#isFinal || this.#taskId === undefined) return
    const isMine = this.#view?.worker === hostname
    const lost = isMine ? ' while it had the task; whether that is run again is said by acksLate' : ''
    const next = this.#entry.broker?.embedded === true ? ' Another one is started.' : ''
    this.#say(`Worker ${hostname} has ended${lost}.${next}`)
    this.#needWorker()
  }

  // --- sending --------------------------------------------------------------------------------------------------------

  #send(): Promise<string> {
    const { task, args } = this.#params
    return sendFromProcess({
      order: { task, args },
      place: this.#entry.place,
      editor: this.#deps.editor,
      nodes: this.#deps.nodes,
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
      this.#say(`No worker could be started. ${messageOf(error)}`)
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
          if (!this.#isFinal) await systemClock.sleep(1000, signal)
        } catch (error) {
          if (signal.aborted) break
          if (/^disabled\b/.test(broker.settings.resultBackend ?? '')) await finished.promise
          else this.#say(this.#deps.texts.error(error, 500))
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
    if (this.#isFinal) return
    this.#view = view
    for (const look of this.#looking) look()
    if (isReady(view.state)) {
      // Nothing may be stored for it: then the event is all there is.
      systemClock.timer(resultWaitMs, () => this.#finishBy(view))
    } else if (view.state === 'STARTED') {
      // Progress that was stored may overtake the event of the start.
      const isNews = early.has(this.#last?.state ?? '') || (this.#last?.retries ?? 0) < view.retries
      if (isNews) this.#update('STARTED')
    } else if (view.state === 'RECEIVED' && this.#last?.state === 'PENDING') this.#update('RECEIVED')
    else if (view.state === 'RETRY') {
      // What is stored says it better than the event, where it is stored.
      systemClock.timer(eventWaitMs, () => {
        if (this.#view !== view || this.#last?.state === 'RETRY') return
        this.#update('RETRY', { text: view.exception ?? '', detail: view.traceback })
      })
    }
  }

  async #see(meta: TaskMeta): Promise<void> {
    if (this.#isFinal) return
    if (!isReady(meta.state)) {
      if (meta.state === 'RETRY') {
        await this.#event((view) => view.state === 'RETRY' || view.retries > (this.#last?.retries ?? 0))
        this.#update('RETRY', { text: errorText(meta), detail: meta.traceback })
      } else if (meta.state === 'STARTED') this.#update('STARTED')
      else this.#update(meta.state, valueTexts(meta.result))
      return
    }
    // How long it took and where, only the event tells.
    await this.#event((view) => isReady(view.state))
    if (this.#isFinal) return
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
        if (this.#view && fits(this.#view)) end()
      }
      const late = systemClock.timer(eventWaitMs, end, { ref: true })
      this.#looking.add(look)
      look()
    })
  }

  /** Retries before the attempt that `state` is about; the next one may have been received already. */
  #retries(state: string): number | undefined {
    const known = this.#view?.retries
    if (state !== 'RETRY' || known === undefined || this.#view?.state === 'RETRY') return known
    return known > (this.#last?.retries ?? 0) ? known - 1 : known
  }

  #finishBy(view: TaskView): void {
    if (this.#isFinal) return
    const text = view.result ?? view.exception ?? ''
    this.#finish(view.state, { text, detail: view.traceback ?? text })
  }

  /** Why nothing happens, once it should have. */
  async #explain(monitor: Monitor, broker: BrokerPlace): Promise<void> {
    const queue = this.#queue
    if (this.#isFinal || this.#last?.state !== 'PENDING' || queue === undefined) return
    const isConsumed = await monitor.isConsumed(queue)
    if (this.#isFinal || this.#last.state !== 'PENDING') return
    if (isConsumed) {
      const stranger = monitor.stranger(queue, this.#params.task)
      if (stranger) this.#say(`Worker ${stranger} consumes queue '${queue}' and does not know '${this.#params.task}'.`)
      return
    }
    const command = `tq worker -Q ${queue}`
    const where = broker.name === 'embedded' ? '' : ` on ${maskUrl(broker.name)}`
    this.#say(`No worker consumes queue '${queue}'${where}. Start one: ${command}`)
  }

  #lookAtWorker(monitor: Monitor): void {
    const worker = this.#view?.worker
    if (worker === undefined || this.#isFinal) return
    const awayMs = monitor.awayMs(worker)
    if (awayMs === undefined) return
    const seconds = Math.round(awayMs / 1000)
    // Every two seconds another number is no news.
    if (this.#notice?.startsWith(`Worker ${worker} `) === true && seconds % 10 > 1) return
    this.#say(
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

  // --- telling --------------------------------------------------------------------------------------------------------

  #say(notice: string): void {
    if (this.#isFinal || this.#last === undefined) return
    this.#notice = this.#deps.texts.line(notice, 500)
    const { state, text, detail } = this.#last
    this.#tell(state, { text, detail })
  }

  #update(state: string, texts: { readonly text?: string; readonly detail?: string | undefined } = {}): void {
    if (this.#isFinal) return
    const isNews = state !== this.#last?.state
    // What was missing is there.
    if (isNews && state !== 'PENDING') this.#notice = undefined
    this.#tell(state, this.#clean(texts))
  }

  #finish(
    state: string,
    texts: { readonly text: string; readonly detail?: string | undefined },
    meta?: TaskMeta,
  ): void {
    this.#notice = undefined
    this.#tell(state, this.#clean(texts), meta)
    this.#isFinal = true
    this.#ended.abort()
  }

  #clean({ text = '', detail }: { readonly text?: string; readonly detail?: string | undefined }): {
    readonly text: string
    readonly detail?: string | undefined
  } {
    const { texts } = this.#deps
    return {
      text: texts.line(text, longestLine),
      ...(detail !== undefined && { detail: texts.block(detail, longestDetail) }),
    }
  }

  #tell(state: string, shown: { readonly text: string; readonly detail?: string | undefined }, meta?: TaskMeta): void {
    const { texts, editor } = this.#deps
    const view = this.#view
    const worker = meta?.worker ?? view?.worker
    const retries = meta?.retries ?? this.#retries(state)
    const update: RunUpdate = {
      runId: this.id,
      target: this.#entry.id,
      task: this.#params.task,
      ...(this.#taskId !== undefined && { id: this.#taskId }),
      state,
      text: shown.text,
      ...(shown.detail !== undefined && { detail: shown.detail }),
      ...(this.#notice !== undefined && { notice: this.#notice }),
      ...(view?.runtime !== undefined && { runtimeMs: view.runtime * 1000 }),
      ...(retries !== undefined && { retries }),
      ...(worker !== undefined && { worker: texts.line(worker) }),
      atMs: systemClock.now(),
    }
    const isSame =
      this.#last !== undefined && JSON.stringify({ ...this.#last, atMs: 0 }) === JSON.stringify({ ...update, atMs: 0 })
    if (isSame) return
    this.#last = update
    editor.send(runUpdated, update)
  }
}
