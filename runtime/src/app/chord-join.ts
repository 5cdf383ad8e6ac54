import { endsOf, headsOf, idOf, normalise, startsOf } from './normal-form.ts'
import type { TqApp } from './tq.ts'
import type { ResultBackend } from '../backends/result-backend.ts'
import type { ChordBody } from '../core/chord.ts'
import { type SignatureData, walkSteps, withArgs } from '../core/signature.ts'
import { type ChordRef, isReady, type StoredError, type TaskMeta } from '../core/states.ts'
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

export interface JoinOptions {
  /** Stores the part's own result, too, in the same step. */
  readonly storesResult?: boolean | undefined
}

/**
 * Counts a header part and, when it was the last, sends the body with all values in order; a failed part fails the body instead.
 * May be called again for the same part. Source: celery/backends/redis.py, on_chord_part_return.
 */
export async function joinChord(
  deps: ChordDeps,
  member: ChordMember,
  part: TaskMeta,
  { storesResult }: JoinOptions = {},
): Promise<void> {
  const { chord: signature, groupId, groupIndex: index, rootId } = member
  if (!signature || groupId === undefined) return
  const { backend, ttlMs } = deps
  const body = { signature, rootId }
  const joined = await backend.joinChord({ groupId }, { index, meta: part }, { ttlMs, body, storesResult })
  if (joined === 'waiting') return
  await finishChord(deps, { groupId }, body, { parentId: member.id, again: joined === 'again' })
}

export interface FinishOptions {
  /** The task that is to be known as the body's parent. */
  readonly parentId: string
  /** Somebody may have done it before: what has a final state then stays as it is. */
  readonly again: boolean
}

/** Sends the body of a complete chord, or fails it where a part failed, and closes the chord. */
export async function finishChord(
  deps: ChordDeps,
  chord: ChordRef,
  { signature: body, rootId }: ChordBody,
  { parentId, again }: FinishOptions,
): Promise<void> {
  const { app, backend } = deps
  if (!again || !(await hasEnded(deps, body))) {
    const parts = await backend.chordParts(chord)
    const failed = parts.find(({ state }) => state !== 'SUCCESS')
    if (failed) {
      const error = chordError(failed)
      app.logger.error(`Chord ${chord.groupId} failed: ${String(error.message[0])}`)
      await failBody(deps, { id: parentId, rootId, repeated: again }, body, error)
    } else {
      const values = parts.map(({ result }) => result)
      await app.sendFollowing(withArgs(body, [values]), { rootId, parentId, repeated: again || undefined })
    }
  }
  await backend.closeChord(chord)
}

/** Whether every task that the body starts with has a final state. */
async function hasEnded({ backend }: ChordDeps, body: SignatureData): Promise<boolean> {
  const ids = startsOf(normalise(body)).map(({ options }) => options.taskId)
  const known = ids.filter((id) => id !== undefined)
  if (known.length === 0 || known.length < ids.length) return false
  return (await backend.fetch(known)).every((meta) => meta !== undefined && isReady(meta.state))
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
  const tasks = steps.flatMap((step) => [...walkSteps(step)]).filter(({ kind }) => kind === 'task')
  // With rpc each result goes to whoever the step says: usually to one sender.
  for (const [replyTo, some] of Map.groupBy(tasks, ({ options }) => options.replyTo)) {
    const metas = some.flatMap(({ options: { taskId: id } }) => (id === undefined ? [] : [{ id, doneAtMs, ...end }]))
    await deps.backend.store(metas, { ttlMs: deps.ttlMs, replyTo })
  }
  for (const { options } of steps.flatMap((step, i) => (i === steps.length - 1 ? endsOf(step) : []))) {
    const { taskId: id, groupId, groupIndex, chord } = options
    if (id !== undefined)
      await joinChord(deps, { id, rootId: after.rootId, groupId, groupIndex, chord }, { id, doneAtMs, ...end })
  }
}

/** Fails a body whose header failed, and calls its error callbacks. Source: celery/backends/base.py, chord_error_from_stack. */
export async function failBody(
  deps: ChordDeps,
  member: Pick<ChordMember, 'id' | 'rootId'> & { readonly repeated?: boolean | undefined },
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
    const { rootId, id: parentId, repeated } = member
    await callErrbacks(deps.app, linkError, { id, task, args, kwargs, rootId, parentId, repeated }, end)
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
