import { systemClock, type TaskMeta } from 'tq-runtime'
import type { TaskView } from 'tq-runtime/monitor'
import type { Editor } from './editor.ts'
import { type RunParams, type RunUpdate, runUpdated } from './protocol.ts'
import { longestDetail, longestLine, type Texts } from './texts.ts'

export interface RunReportDeps {
  readonly editor: Editor
  readonly texts: Texts
  /** Id of the target. */
  readonly target: string
}

/** A value or an error, not yet cleaned. */
export interface RunTexts {
  readonly text?: string | undefined
  readonly detail?: string | undefined
}

/** Tells the editor of one run, nothing twice, and nothing after its end. */
export class RunReport {
  readonly #params: RunParams
  readonly #deps: RunReportDeps
  #last: RunUpdate | undefined
  #notice: string | undefined
  #isFinal = false
  /** Once it is sent. */
  taskId: string | undefined
  /** What the events tell of it. */
  view: TaskView | undefined

  constructor(params: RunParams, deps: RunReportDeps) {
    this.#params = params
    this.#deps = deps
  }

  get isFinal(): boolean {
    return this.#isFinal
  }

  get state(): string | undefined {
    return this.#last?.state
  }

  /** Of what was told last. */
  get retries(): number {
    return this.#last?.retries ?? 0
  }

  get notice(): string | undefined {
    return this.#notice
  }

  /** Why nothing happens; until there is news. */
  say(notice: string): void {
    if (this.#isFinal || this.#last === undefined) return
    this.#notice = this.#deps.texts.line(notice, 500)
    const { state, text, detail } = this.#last
    this.#tell(state, { text, detail })
  }

  update(state: string, texts: RunTexts = {}): void {
    if (this.#isFinal) return
    const isNews = state !== this.#last?.state
    // What was missing is there.
    if (isNews && state !== 'PENDING') this.#notice = undefined
    this.#tell(state, this.#clean(texts))
  }

  finish(state: string, texts: RunTexts, meta?: TaskMeta): void {
    if (this.#isFinal) return
    this.#notice = undefined
    this.#tell(state, this.#clean(texts), meta)
    this.#isFinal = true
  }

  /** Nothing more is told. */
  abandon(): void {
    this.#isFinal = true
  }

  /** Retries before the attempt that `state` is about; the next one may have been received already. */
  #retries(state: string): number | undefined {
    const known = this.view?.retries
    if (state !== 'RETRY' || known === undefined || this.view?.state === 'RETRY') return known
    return known > this.retries ? known - 1 : known
  }

  #clean({ text = '', detail }: RunTexts): Pick<RunUpdate, 'text' | 'detail'> {
    const { texts } = this.#deps
    return {
      text: texts.line(text, longestLine),
      ...(detail !== undefined && { detail: texts.block(detail, longestDetail) }),
    }
  }

  #tell(state: string, shown: Pick<RunUpdate, 'text' | 'detail'>, meta?: TaskMeta): void {
    const { texts, editor, target } = this.#deps
    const { view, taskId } = this
    const worker = meta?.worker ?? view?.worker
    const retries = meta?.retries ?? this.#retries(state)
    const update: RunUpdate = {
      runId: this.#params.runId,
      target,
      task: this.#params.task,
      ...(taskId !== undefined && { id: taskId }),
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
