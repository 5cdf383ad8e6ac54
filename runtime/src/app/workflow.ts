import type { ResultBackend } from '../backends/result-backend.ts'
import { isTqError } from '../core/errors.ts'
import { timeOfId } from '../core/id.ts'
import { isReady, type TaskMeta } from '../core/states.ts'
import type { TqApp } from './tq.ts'
import { explanationOf } from './workflow-explanation.ts'
import { fetched, findOutline, withChildren } from './workflow-find.ts'
import { endsOfOutline, type Outline } from './workflow-outline.ts'
import { findPlaces, type Place, type Places } from './workflow-places.ts'

/** What a canvas consists of and where each of it is. */
export interface Workflow {
  /** The id that was asked for. */
  readonly id: string
  /**
   * `failed`: something failed and nothing more will run. `waiting`: for workers, in a queue or for a time. `stuck`: it does not go on
   * by itself. `unknown`: the results that would tell are not kept.
   */
  readonly state: 'done' | 'failed' | 'running' | 'waiting' | 'stuck' | 'unknown'
  /** The task that sent it, where a task did. */
  readonly parentId: string | undefined
  /** Epoch ms, as far as it is known. */
  readonly sentAtMs: number | undefined
  /** Everything in it, what contains something before what is inside. */
  readonly parts: readonly WorkflowPart[]
  /** Tasks that have ended, and all tasks that are known. */
  readonly ended: number
  readonly size: number
  /** Why it has not ended, in sentences; empty for one that has. */
  readonly explanation: readonly string[]
  /** What could not be looked at, in sentences. */
  readonly unseen: readonly string[]
}

/** How long to look for a workflow. */
export interface WorkflowOptions {
  /** How long to wait for the workers' answers, and after each for another; default 1000. */
  readonly timeoutMs?: number | undefined
}

/** One task, group or chord of a workflow. */
export interface WorkflowPart {
  readonly id: string
  readonly kind: 'task' | 'group' | 'chord'
  /** 0 for what stands alone or in the outermost chain. */
  readonly depth: number
  readonly role: 'step' | 'member' | 'body' | 'callback' | 'child'
  /** Undefined where only its id is known. */
  readonly task: string | undefined
  /** As it is stored; PENDING where nothing is. Of a group or chord undefined. */
  readonly state: string | undefined
  readonly place: PartPlace
  /** Epoch ms: since when it is there; of what has ended, when. */
  readonly sinceMs: number | undefined
  /** Of a failed one: its error. */
  readonly error: string | undefined
  /** Of a chord that waits: parts that have been counted, and all of them. */
  readonly counted: number | undefined
  readonly size: number | undefined
}

/** Where a part of a workflow is. */
export type PartPlace =
  | Place
  | { readonly kind: 'ended' }
  /** Not sent yet: `by` are the ids that it waits for. */
  | { readonly kind: 'blocked'; readonly by: readonly string[] }
  /** It is nowhere, and a result of it would not be kept or could not be seen. */
  | { readonly kind: 'unknown' }
  /** It ought to be somewhere and is nowhere. */
  | { readonly kind: 'missing' }
  /** A group or chord. */
  | { readonly kind: 'inside' }

/**
 * Explains the canvas that the id belongs to: a task of it, its result, or a group. What tq sent is known whole for `resultExpires`; of
 * what Python sent, and of single tasks, what queues, workers and results tell. Looks into the queues without taking anything and asks
 * the workers, which takes a second.
 */
export async function workflowOf(app: TqApp, id: string, options: WorkflowOptions = {}): Promise<Workflow> {
  const { timeoutMs = 1000 } = options
  const backend = await app.resultBackend()
  const found = await findOutline(app, backend, id)
  const metas = new Map<string, TaskMeta>()
  const outline = await withChildren(backend, found.outline, metas)
  const tasks = tasksOf(outline)
  const open = [...tasks.keys()].filter((one) => !isReady(metas.get(one)?.state ?? 'PENDING'))
  const places: Places =
    open.length === 0
      ? { byId: new Map(), messages: new Map(), unseen: [] }
      : await findPlaces(app, { ids: open, timeoutMs })
  // Seen nowhere: it may have ended while it was looked for.
  const nowhere = open.filter((one) => !places.byId.has(one))
  for (const meta of await fetched(backend, nowhere)) metas.set(meta.id, meta)
  const chords = await chordsOf(backend, outline)
  const parts = partsOf(outline, {
    tasks,
    metas,
    places,
    chords,
    keepsResult: (task) => keepsResult(app, backend, task),
  })
  const ended = new Set(
    parts.flatMap(({ kind, id: one, place }) => (kind === 'task' && place.kind === 'ended' ? one : [])),
  )
  const { parentId, sentAtMs } = found
  return {
    id,
    state: stateOf(parts),
    parentId,
    sentAtMs: sentAtMs ?? timeOfId(id),
    parts,
    ended: ended.size, // what replaced a task ends under its id
    size: tasks.size,
    explanation: explanationOf(app, parts, metas),
    unseen: [...unseenOf(backend), ...places.unseen],
  }
}

function unseenOf({ countsChords, name }: ResultBackend): readonly string[] {
  return countsChords === false ? [`The result backend '${name}' does not tell how the tasks ended.`] : []
}

/** What each task waits for. */
interface Needs {
  readonly after: readonly string[]
}

function tasksOf(outline: Outline): ReadonlyMap<string, Needs> {
  const needs = new Map<string, Needs>()
  const visit = (one: Outline, after: readonly string[]): void => {
    switch (one.kind) {
      case 'task':
        needs.set(one.id, { after })
        for (const link of one.links) visit(link, [one.id])
        break
      case 'chain':
        one.steps.forEach((step, i) => {
          const before = one.steps[i - 1]
          visit(step, before ? endsOfOutline(before) : after)
        })
        break
      case 'group':
        for (const part of one.parts) visit(part, after)
        break
      case 'chord':
        for (const part of one.parts) visit(part, after)
        visit(one.body, one.parts.flatMap(endsOfOutline))
    }
  }
  visit(outline, [])
  return needs
}

interface ChordCount {
  readonly counted: number
  readonly size: number
}

async function chordsOf(backend: ResultBackend, outline: Outline): Promise<ReadonlyMap<string, ChordCount>> {
  const counts = new Map<string, ChordCount>()
  const visit = async (one: Outline): Promise<void> => {
    if (one.kind === 'chord') {
      const count = await countOf(backend, one.id, one.parts.flatMap(endsOfOutline).length)
      if (count) counts.set(one.id, count)
      await visit(one.body)
    }
    if (one.kind === 'group' || one.kind === 'chord') for (const part of one.parts) await visit(part)
    if (one.kind === 'chain') for (const step of one.steps) await visit(step)
    if (one.kind === 'task') for (const link of one.links) await visit(link)
  }
  await visit(outline)
  return counts
}

/** Undefined for a chord that was not opened yet or whose body was sent, and where the backend counts none. */
async function countOf(backend: ResultBackend, groupId: string, planned: number): Promise<ChordCount | undefined> {
  if (backend.countsChords === false) return undefined
  try {
    const record = await backend.chordRecord({ groupId })
    if (record === undefined) return undefined
    const counted = (await backend.chordParts({ groupId })).length
    return { counted, size: record.size ?? planned }
  } catch (error) {
    if (isTqError(error)) return undefined
    throw error
  }
}

/** Whether the end of a task could be seen. */
function keepsResult(app: TqApp, backend: ResultBackend, task: string): boolean {
  if (backend.countsChords === false) return false
  return !(app.registry.get(task)?.definition.options.ignoreResult ?? app.settings.taskIgnoreResult)
}

interface Known {
  readonly keepsResult: (task: string) => boolean
  readonly tasks: ReadonlyMap<string, Needs>
  readonly metas: ReadonlyMap<string, TaskMeta>
  readonly places: Places
  readonly chords: ReadonlyMap<string, ChordCount>
}

function partsOf(outline: Outline, known: Known): readonly WorkflowPart[] {
  const parts: WorkflowPart[] = []
  const visit = (one: Outline, depth: number, role: WorkflowPart['role']): void => {
    switch (one.kind) {
      case 'task':
        parts.push(taskPart(one, depth, role, known))
        for (const link of one.links) visit(link, depth + 1, 'callback')
        break
      case 'chain':
        // A member that is a chain stands a step further in, so that its steps are seen to belong together.
        for (const [i, step] of one.steps.entries()) visit(step, depth, i === 0 ? role : 'step')
        break
      case 'group':
      case 'chord': {
        const count = one.kind === 'chord' ? known.chords.get(one.id) : undefined
        parts.push({ ...bare, id: one.id, kind: one.kind, depth, role, counted: count?.counted, size: count?.size })
        for (const part of one.parts) visit(part, depth + 1, 'member')
        if (one.kind === 'chord') visit(one.body, depth, 'body')
      }
    }
  }
  visit(outline, 0, 'step')
  return parts
}

const bare = {
  task: undefined,
  state: undefined,
  place: { kind: 'inside' },
  sinceMs: undefined,
  error: undefined,
  counted: undefined,
  size: undefined,
} as const

function taskPart(
  { id, task }: Outline & { readonly kind: 'task' },
  depth: number,
  role: WorkflowPart['role'],
  { tasks, metas, places, keepsResult: isKept }: Known,
): WorkflowPart {
  const meta = metas.get(id)
  const state = meta?.state ?? 'PENDING'
  const name = task === '' ? (meta?.name ?? places.messages.get(id)?.task) : task
  const part = { ...bare, id, kind: 'task', depth, role, task: name, state } as const
  if (isReady(state)) return { ...part, place: { kind: 'ended' }, sinceMs: meta?.doneAtMs, error: errorText(meta) }
  const place = places.byId.get(id)
  const after = tasks.get(id)?.after ?? []
  const by = after.filter((one) => metas.get(one)?.state !== 'SUCCESS')
  // A place that was seen says more than what should have been.
  if (!place && by.length > 0) return { ...part, place: { kind: 'blocked', by } }
  const freedMs = after.reduce((latest, one) => Math.max(latest, metas.get(one)?.doneAtMs ?? 0), 0)
  const sentMs = after.length > 0 ? freedMs || undefined : timeOfId(id)
  if (!place) return { ...part, place: { kind: isKept(task) ? 'missing' : 'unknown' }, sinceMs: sentMs }
  if (place.kind === 'running') return { ...part, place, sinceMs: place.sinceMs }
  return { ...part, place, sinceMs: place.kind === 'quarantined' ? place.atMs : sentMs }
}

function errorText(meta: TaskMeta | undefined): string | undefined {
  if (!meta?.error) return undefined
  const { type, message } = meta.error
  const said = message.map((one) => (typeof one === 'string' ? one : JSON.stringify(one))).join(', ')
  return said === '' ? type : `${type}: ${said}`
}

function stateOf(parts: readonly WorkflowPart[]): Workflow['state'] {
  const tasks = parts.filter(({ kind }) => kind === 'task')
  const has = (kind: PartPlace['kind']): boolean => tasks.some(({ place }) => place.kind === kind)
  if (has('missing') || has('quarantined')) return 'stuck'
  if (tasks.some(({ place }) => place.kind === 'queued' && place.consumers === 0)) return 'stuck'
  if (has('running')) return 'running'
  if (has('queued') || has('held') || has('parked')) return 'waiting'
  if (has('unknown')) return 'unknown'
  const failed = tasks.some(({ state }) => state === 'FAILURE' || state === 'REVOKED')
  if (failed) return 'failed'
  return has('blocked') ? 'stuck' : 'done'
}
