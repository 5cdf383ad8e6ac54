import type { TaskView } from 'tq-runtime/monitor'
import type { Stored } from '../state.ts'
import { age, runtime, shortMoment } from '../ui/figures.ts'
import { join, type Look, paint, type Painted, styleOfState } from '../ui/paint.ts'
import { LongText } from '../ui/long-text.ts'
import { type Clean, clean, cleanLines, fit, own, wrap } from '../ui/text.ts'
import { foldedTraceback } from '../ui/traceback.ts'
import { stateText } from './tasks.ts'

export interface DetailOptions {
  readonly look: Look
  readonly nowMs: number
  readonly columns: number
  readonly wrap: boolean
}

export interface TaskDetailOptions extends DetailOptions {
  /** What the result backend holds, by task id; left aside where a task has another state by now. */
  readonly stored?: ReadonlyMap<string, Stored> | undefined
  readonly folder?: string | undefined
  /** Frames of libraries, too. Default false. */
  readonly wholeTraceback?: boolean | undefined
}

/** All that is known of a task, in lines of the given width. */
export function taskDetail(task: TaskView, options: TaskDetailOptions): readonly Painted[] {
  const { look, columns, wrap: wraps, folder } = options
  const stored = storedOf(task, options)
  const traceback = stored?.traceback ?? task.traceback ?? ''
  const above = aboveTraceback(task, stored, options)
  if (traceback === '') return above
  const { ellipsis } = look.glyphs
  const text = options.wholeTraceback === true ? cleanLines(traceback) : foldedTraceback(traceback, folder, ellipsis)
  const rows = new LongText(text).rows(columns, { wrap: wraps, ellipsis })
  const title = [paint(clean(''), 'plain', look), paint(clean('traceback'), 'dim', look)]
  return [...above, ...title, ...rows.map((row) => paint(row, 'plain', look))]
}

/** Index of the line from which the traceback is shown; 0 without one. */
export function tracebackLine(task: TaskView, options: TaskDetailOptions): number {
  const stored = storedOf(task, options)
  if ((stored?.traceback ?? task.traceback ?? '') === '') return 0
  return aboveTraceback(task, stored, options).length + 1
}

function storedOf(task: TaskView, options: TaskDetailOptions): Stored | undefined {
  const stored = options.stored?.get(task.uuid)
  return stored?.state === task.state ? stored : undefined
}

function aboveTraceback(task: TaskView, stored: Stored | undefined, options: DetailOptions): readonly Painted[] {
  const { look, nowMs } = options
  const lines: Painted[] = []
  const time = (ms: number | undefined): Clean | undefined =>
    ms === undefined ? undefined : own`${shortMoment(ms, nowMs, look.utc)}  ${age(nowMs - ms)} ago`
  const field = (label: string, value: Clean | undefined): void => {
    if (value !== undefined && value !== '') lines.push(...labelled(clean(label), value, options))
  }
  const value = (label: string, whole: LongText | undefined, seen: string | undefined): void => {
    if (whole !== undefined) lines.push(...labelledText(clean(label), whole, options))
    else field(label, seen === undefined ? undefined : clean(seen))
  }
  lines.push(
    join(
      paint(stateText(task.state, look), styleOfState(task.state), look),
      paint(own` ${clean(task.name)}`, 'bold', look),
    ),
  )
  // Without a label it fits beside a list of 75 columns.
  for (const part of wrap(clean(task.uuid), options.columns)) lines.push(paint(part, 'dim', look))
  value('args', stored?.args, task.args)
  value('kwargs', stored?.kwargs, task.kwargs === '{}' ? undefined : task.kwargs)
  value('result', stored?.result, task.result)
  value('error', stored?.error, task.exception)
  field('worker', task.worker === undefined ? undefined : clean(task.worker))
  field('queue', task.queue === undefined ? undefined : clean(task.queue))
  field('runtime', task.runtime === undefined ? undefined : runtime(task.runtime))
  field('try', task.retries > 0 ? own`${task.retries + 1}` : undefined)
  field('eta', task.eta === undefined ? undefined : clean(task.eta))
  field('expires', task.expires === undefined ? undefined : clean(task.expires))
  field('sent', time(task.sentMs))
  field('received', time(task.receivedMs))
  field('started', time(task.startedMs))
  field('retried', time(task.retriedMs))
  field('finished', time(task.finishedMs))
  field('sent by', task.client === undefined ? undefined : clean(task.client))
  field('parent', task.parentId === undefined ? undefined : clean(task.parentId))
  field('root', task.rootId === undefined || task.rootId === task.uuid ? undefined : clean(task.rootId))
  return lines
}

const labelWidth = 9

/** `label    value`, the value in as many lines as it takes, or cut. */
export function labelled(label: Clean, value: Clean, options: DetailOptions): readonly Painted[] {
  return labelledText(label, new LongText([value]), options)
}

function labelledText(
  label: Clean,
  value: LongText,
  { look, columns, wrap: wraps }: DetailOptions,
): readonly Painted[] {
  const rows = value.rows(Math.max(4, columns - labelWidth), { wrap: wraps, ellipsis: look.glyphs.ellipsis })
  return rows.map((row, i) =>
    join(paint(fit(i === 0 ? label : clean(''), labelWidth), 'dim', look), paint(row, 'plain', look)),
  )
}
