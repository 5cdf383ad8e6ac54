import type { TaskMeta } from '../core/states.ts'
import { isoTime } from '../core/iso-time.ts'
import type { TqApp } from './tq.ts'
import type { WorkflowPart } from './workflow.ts'

const mostNamed = 3

/** Why a workflow has not ended: what there is to do comes first. Empty for one that has. */
export function explanationOf(
  app: TqApp,
  parts: readonly WorkflowPart[],
  metas: ReadonlyMap<string, TaskMeta>,
): readonly string[] {
  const tasks = parts.filter(({ kind }) => kind === 'task')
  const now = app.clock.now()
  return [
    ...missing(tasks),
    ...quarantined(tasks),
    ...queued(app, tasks),
    ...held(tasks),
    ...parked(tasks),
    ...running(tasks, now),
    ...chords(parts),
    ...failed(tasks, metas),
  ]
}

function missing(tasks: readonly WorkflowPart[]): readonly string[] {
  const lost = tasks.filter(({ place }) => place.kind === 'missing')
  const [only] = lost
  if (!only) return []
  if (tasks.length === 1 && only.task === undefined && only.state === 'PENDING') {
    return [
      `Nothing is known of ${only.id}: it was never sent to this broker, its result has expired (resultExpires), or it runs on a worker that does not answer.`,
    ]
  }
  const started = lost.filter(({ state }) => state !== 'PENDING').length
  const verb = lost.length === 1 ? 'is' : 'are'
  return [
    `${named(lost)} ${verb} in no queue, held by no worker that answers, and ${lost.length === 1 ? 'has' : 'have'} no result. ` +
      (started > 0 ? 'It had started: ' : '') +
      'A worker may have died that had acknowledged it before it ran (acksLate prevents that), or the queue was purged. ' +
      'Send it again, or revoke what waits for it.',
  ]
}

function quarantined(tasks: readonly WorkflowPart[]): readonly string[] {
  return tasks.flatMap((task) =>
    task.place.kind === 'quarantined' ? [`${nameOf(task)} was set aside: ${task.place.reason}`] : [],
  )
}

function queued(app: TqApp, tasks: readonly WorkflowPart[]): readonly string[] {
  const inQueues = tasks.flatMap((task) => (task.place.kind === 'queued' ? [{ task, place: task.place }] : []))
  return [...Map.groupBy(inQueues, ({ place }) => place.queue)].map(([queue, some]) => {
    const waiting = some.map(({ task }) => task)
    const says = `${named(waiting)} ${waiting.length === 1 ? 'waits' : 'wait'} in queue '${queue}'`
    const start = queue === app.settings.taskDefaultQueue ? 'tq worker' : `tq worker -Q ${queue}`
    if (some.some(({ place }) => place.consumers === 0)) return `${says}, which no worker consumes. Start one: ${start}`
    const ahead = Math.min(...some.map(({ place }) => place.ahead))
    return ahead === 0
      ? `${says} for a worker that is free.`
      : `${says} behind ${ahead} ${ahead === 1 ? 'other' : 'others'}.`
  })
}

function held(tasks: readonly WorkflowPart[]): readonly string[] {
  const waiting = tasks.filter(({ place }) => place.kind === 'held')
  return waiting.slice(0, mostNamed).map((task) => {
    const worker = task.place.kind === 'held' ? task.place.worker : undefined
    return worker === undefined
      ? `${nameOf(task)} is held by a worker that does not answer; if that one is dead, it comes back once its lease ends (visibilityTimeout).`
      : `${nameOf(task)} is held by ${worker}, which is busy with others.`
  })
}

function parked(tasks: readonly WorkflowPart[]): readonly string[] {
  return tasks
    .filter(({ place }) => place.kind === 'parked')
    .slice(0, mostNamed)
    .map((task) => {
      const untilMs = task.place.kind === 'parked' ? task.place.untilMs : undefined
      return `${nameOf(task)} is not due${untilMs === undefined ? ' yet' : ` before ${isoTime(untilMs)}`}.`
    })
}

function running(tasks: readonly WorkflowPart[], now: number): readonly string[] {
  return tasks
    .filter(({ place }) => place.kind === 'running')
    .slice(0, mostNamed)
    .map((task) => {
      const { place } = task
      const sinceMs = place.kind === 'running' ? place.sinceMs : undefined
      const seconds = sinceMs === undefined ? '' : ` for ${Math.max(0, Math.round((now - sinceMs) / 1000))} s`
      return `${nameOf(task)} runs on ${place.kind === 'running' ? place.worker : ''}${seconds}.`
    })
}

/** Of chords whose parts have all ended and were not all counted, or were and nothing followed. */
function chords(parts: readonly WorkflowPart[]): readonly string[] {
  return parts.flatMap(({ id, counted, size }, at) => {
    if (counted === undefined || size === undefined) return []
    const members = membersOf(parts, at)
    const allEnded = members.length > 0 && members.every(({ kind, place }) => kind !== 'task' || place.kind === 'ended')
    if (!allEnded) return [`Chord ${id} has counted ${counted} of ${size} parts.`]
    const missed = counted < size ? `only ${counted} of its ${size} parts were counted` : 'its body has not been sent'
    return [
      `All parts of chord ${id} have ended, but ${missed}: a worker died in between. Any worker of this app makes up for it within moments.`,
    ]
  })
}

function membersOf(parts: readonly WorkflowPart[], at: number): readonly WorkflowPart[] {
  const depth = parts[at]?.depth ?? 0
  const end = parts.findIndex((part, i) => i > at && part.depth <= depth)
  return parts.slice(at + 1, end < 0 ? undefined : end)
}

function failed(tasks: readonly WorkflowPart[], metas: ReadonlyMap<string, TaskMeta>): readonly string[] {
  const open = tasks.filter(({ place }) => place.kind === 'blocked')
  if (open.length === 0) return []
  const causes = tasks.filter(({ id, state }) => state === 'FAILURE' && metas.get(id)?.error?.type !== 'ChordError')
  return causes
    .slice(0, mostNamed)
    .map((task) => `${nameOf(task)} failed with ${task.error ?? 'an error'}: what follows it never runs.`)
}

function named(tasks: readonly WorkflowPart[]): string {
  const names = tasks.slice(0, mostNamed).map(nameOf)
  const more = tasks.length - names.length
  return more > 0 ? `${names.join(', ')} and ${more} more` : names.join(', ')
}

function nameOf({ task, id }: WorkflowPart): string {
  return task === undefined ? `Task ${id}` : `${task}[${id}]`
}
