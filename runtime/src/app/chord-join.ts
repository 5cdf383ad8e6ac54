import { endsOf, headsOf, idOf, normalise } from './normal-form.ts'
import type { TqApp } from './tq.ts'
import type { ResultBackend } from '../backends/result-backend.ts'
import { type SignatureData, walkSteps, withArgs } from '../core/signature.ts'
import type { StoredError, TaskMeta } from '../core/states.ts'
import { errorModule } from '../wire/error-names.ts'
import { pythonRepr } from '../wire/python-text.ts'
import { callErrbacks } from './errbacks.ts'

/** What counting chords needs. */
export interface ChordDeps {
  readonly app: TqApp
  readonly backend: ResultBackend
  readonly ttlMs: number
}

/** What of a task belongs to the chord whose header it is in. */
export interface ChordMember {
  readonly id: string
  readonly rootId: string
  readonly groupId: string | undefined
  readonly groupIndex: number | undefined
  readonly chord: SignatureData | undefined
}

/** How a task ended that will never have run. */
export type End = Pick<TaskMeta, 'error' | 'traceback'> & { readonly state: 'FAILURE' | 'REVOKED' }

/**
 * Counts a header part and, when it was the last, sends the body with all values in order; a failed part fails the body instead.
 * May be called again for the same part. Source: celery/backends/redis.py, on_chord_part_return.
 */
export async function joinChord(deps: ChordDeps, member: ChordMember, part: TaskMeta): Promise<void> {
  const { app, backend, ttlMs } = deps
  const { chord: body, groupId, groupIndex: index } = member
  if (!body || groupId === undefined) return
  const chord = { groupId }
  if ((await backend.joinChord(chord, { index, meta: part }, { ttlMs })) === 'waiting') return
  const parts = await backend.chordParts(chord)
  const failed = parts.find(({ state }) => state !== 'SUCCESS')
  if (failed) {
    const error = chordError(failed)
    app.logger.error(`Chord ${groupId} failed: ${String(error.message[0])}`)
    await failBody(deps, member, body, error)
  } else {
    const values = parts.map(({ result }) => result)
    await app.sendFollowing(withArgs(body, [values]), { rootId: member.rootId, parentId: member.id })
  }
  await backend.closeChord(chord)
}

/**
 * Ends what will never run: every task of these steps has a result, so that nobody waits, and a chord that they are a part of is
 * told. Celery tells it only where the last step is a task or, since 5.6, a chord.
 * Source: celery/backends/base.py, mark_as_failure.
 */
export async function endSteps(
  deps: ChordDeps,
  after: { readonly id: string; readonly rootId: string },
  given: readonly SignatureData[],
  end: End,
): Promise<void> {
  if (given.length === 0) return
  const steps = given.map(normalise)
  const doneAtMs = deps.app.clock.now()
  const metas = steps
    .flatMap((step) => [...walkSteps(step)])
    .flatMap(({ kind, options: { taskId: id } }) =>
      kind !== 'task' || id === undefined ? [] : [{ id, doneAtMs, ...end }],
    )
  await deps.backend.store(metas, { ttlMs: deps.ttlMs })
  for (const { options } of steps.flatMap((step, i) => (i === steps.length - 1 ? endsOf(step) : []))) {
    const { taskId: id, groupId, groupIndex, chord } = options
    if (id !== undefined)
      await joinChord(deps, { id, rootId: after.rootId, groupId, groupIndex, chord }, { id, doneAtMs, ...end })
  }
}

/** Fails a body whose header failed, and calls its error callbacks. Source: celery/backends/base.py, chord_error_from_stack. */
export async function failBody(
  deps: ChordDeps,
  member: Pick<ChordMember, 'id' | 'rootId'>,
  given: SignatureData,
  error: StoredError,
): Promise<void> {
  const body = normalise(given)
  const end: End = { state: 'FAILURE', error }
  const heads = headsOf(body)
  // Who is told of a chain is told the id that the chain is known by.
  const known = heads.length === 1 ? idOf(body) : undefined
  for (const { task, args, kwargs, options } of heads) {
    const { taskId, linkError = [] } = options
    const id = known ?? taskId
    if (id === undefined) continue
    const { rootId, id: parentId } = member
    await callErrbacks(deps.app, linkError, { id, task, args, kwargs, rootId, parentId }, end)
  }
  await endSteps(deps, member, [body], end)
}

/** What a body fails with whose header failed; names the part. */
export function chordError(part: TaskMeta): StoredError {
  const { type = 'Error', message = [] } = part.error ?? {}
  const said = message.map((one) => pythonRepr(one)).join(', ')
  return {
    type: 'ChordError',
    message: [`Dependency ${part.id} raised ${type}(${said})`],
    module: errorModule('ChordError', ''),
  }
}
