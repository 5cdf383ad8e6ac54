import type { ResultBackend } from '../backends/result-backend.ts'
import { isTqError } from '../core/errors.ts'
import type { Message } from '../core/message.ts'
import type { ResultRef, TaskMeta } from '../core/states.ts'
import { normalise } from './normal-form.ts'
import type { TqApp } from './tq.ts'
import { idsIn, type Outline, outlineOf, taskIdsIn } from './workflow-outline.ts'
import { findPlaces } from './workflow-places.ts'
import { fetchRecord, fetchReplacement } from './workflow-records.ts'

/** What is known of a canvas before anybody looks where it is. */
export interface FoundOutline {
  readonly outline: Outline
  readonly sentAtMs: number | undefined
  readonly parentId: string | undefined
}

/**
 * What an id belongs to: the canvas that tq wrote down, else the message that names the id (itself, its group, its chord's body or a
 * step that follows it), else the saved group, else the one task alone.
 */
export async function findOutline(app: TqApp, backend: ResultBackend, id: string): Promise<FoundOutline> {
  const keepsGroups = backend.countsChords !== false
  const own = keepsGroups ? await fetchRecord(backend, id) : undefined
  if (own) return own
  const [meta] = await fetched(backend, [id])
  const group = meta?.groupId
  const ofGroup = keepsGroups && group !== undefined ? await fetchRecord(backend, group) : undefined
  if (ofGroup) return ofGroup
  const saved = keepsGroups ? await backend.fetchGroup(id) : undefined
  if (saved) return { outline: outlineOfRef(saved), sentAtMs: undefined, parentId: undefined }
  if (meta === undefined) {
    const told = toldBy(await findPlaces(app), id)
    if (told) return told
  }
  const task: Outline = { kind: 'task', id, task: meta?.name ?? '', links: [] }
  return { outline: task, sentAtMs: undefined, parentId: meta?.parentId }
}

/** The stored results of these tasks; none where results are not kept. */
export async function fetched(backend: ResultBackend, ids: readonly string[]): Promise<readonly TaskMeta[]> {
  if (ids.length === 0) return []
  try {
    return (await backend.fetch(ids)).filter((meta) => meta !== undefined)
  } catch (error) {
    if (isTqError(error) && error.code === 'TQ_CHANNEL') return []
    throw error
  }
}

function toldBy(
  { messages }: { readonly messages: ReadonlyMap<string, Message> },
  id: string,
): FoundOutline | undefined {
  const naming = [...messages.values()].filter((one) => one.groupId === id || [...idsIn(told(one))].includes(id))
  const [first] = naming
  if (!first) return undefined
  const { groupId, chord, parentId } = first
  if (groupId === undefined) return { outline: told(first), sentAtMs: undefined, parentId }
  const members = [...messages.values()].filter((one) => one.groupId === groupId).map(alone)
  const outline: Outline = chord
    ? { kind: 'chord', id: groupId, parts: members, body: outlineOf(normalise(chord)) }
    : { kind: 'group', id: groupId, parts: members }
  return { outline, sentAtMs: undefined, parentId }
}

function alone({ id, task, chain, callbacks }: Message): Outline {
  const own: Outline = { kind: 'task', id, task, links: callbacks.map((one) => outlineOf(normalise(one))) }
  return chain.length === 0 ? own : { kind: 'chain', steps: [own, ...chain.map((one) => outlineOf(normalise(one)))] }
}

function told(message: Message): Outline {
  const { chord, groupId = '' } = message
  const own = alone(message)
  return chord ? { kind: 'chord', id: groupId, parts: [own], body: outlineOf(normalise(chord)) } : own
}

function outlineOfRef({ id, results }: ResultRef): Outline {
  return results ? { kind: 'group', id, parts: results.map(outlineOfRef) } : { kind: 'task', id, task: '', links: [] }
}

/** Of what tasks sent while they ran, and of what may have replaced them, only so much is looked for. */
const mostFollowed = 500

/**
 * The outline with what its tasks sent by themselves, as far as they have ended, and with what replaced them. All stored results of
 * it are put into `metas`.
 */
export async function withChildren(
  backend: ResultBackend,
  outline: Outline,
  metas: Map<string, TaskMeta>,
): Promise<Outline> {
  const known = new Set(idsIn(outline))
  const extra = new Map<string, Outline[]>()
  let waiting = [...new Set(taskIdsIn(outline))]
  let left = mostFollowed
  while (waiting.length > 0) {
    const found = await fetched(backend, waiting)
    for (const meta of found) metas.set(meta.id, meta)
    const next: string[] = []
    const add = (to: string, child: Outline): void => {
      extra.set(to, [...(extra.get(to) ?? []), child])
      for (const id of idsIn(child)) known.add(id)
      next.push(...taskIdsIn(child))
    }
    for (const { id, children = [] } of found) {
      for (const child of children) {
        if (left === 0 || isKnown(child, known)) continue
        left--
        add(id, (await recordOf(backend, child.id)) ?? outlineOfRef(child))
      }
    }
    if (backend.countsChords !== false) {
      const pending = waiting.filter((id) => metas.get(id) === undefined).slice(0, left)
      left -= pending.length
      const replacements = await Promise.all(pending.map((id) => fetchReplacement(backend, id)))
      for (const [at, id] of pending.entries()) {
        const replacement = replacements[at]
        const fresh = replacement && [...idsIn(replacement.outline)].some((one) => !known.has(one))
        if (fresh) add(id, replacement.outline)
      }
    }
    waiting = next
  }
  return extra.size === 0 ? outline : extended(outline, extra, new Set())
}

function isKnown(ref: ResultRef, known: ReadonlySet<string>): boolean {
  return known.has(ref.id) || (ref.results ?? []).some((one) => isKnown(one, known))
}

async function recordOf(backend: ResultBackend, id: string): Promise<Outline | undefined> {
  return backend.countsChords === false ? undefined : (await fetchRecord(backend, id))?.outline
}

/** What a task sent stands under it; what replaced it stands there too, and ends under the same id. */
function extended(outline: Outline, extra: ReadonlyMap<string, readonly Outline[]>, done: Set<string>): Outline {
  const all = (list: readonly Outline[]): readonly Outline[] => list.map((one) => extended(one, extra, done))
  switch (outline.kind) {
    case 'task': {
      if (done.has(outline.id)) return outline
      done.add(outline.id)
      return { ...outline, links: all([...outline.links, ...(extra.get(outline.id) ?? [])]) }
    }
    case 'chain':
      return { ...outline, steps: all(outline.steps) }
    case 'group':
      return { ...outline, parts: all(outline.parts) }
    case 'chord':
      return { ...outline, parts: all(outline.parts), body: extended(outline.body, extra, done) }
  }
}
