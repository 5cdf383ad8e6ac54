import { dictsToSignatures, dictToSignature } from '../wire/canvas-dict.ts'
import { type SignatureData, withArgs } from '../core/signature.ts'
import { isReady, type TaskMeta } from '../core/states.ts'
import { tupleToRef } from '../wire/result-meta.ts'
import { chordError, failBody } from './chord-join.ts'
import type { BoundTask } from './context.ts'
import { builtIn, chunksOf } from './mapping.ts'
import { chordSignature, groupSignature } from './normal-form.ts'
import { type AnyTask, makeTask, type TaskFunction, type TaskOptions } from './task.ts'
import type { TqApp } from './tq.ts'

/** The tasks that every app answers to, also when Python sends them. Source: celery/app/builtins.py. */
export function builtInTasks(app: TqApp): readonly AnyTask[] {
  const make = (name: string, params: readonly string[], fn: TaskFunction, options: TaskOptions = {}): AnyTask =>
    makeTask({ name, fn, options: { typing: false, params, ...options }, site: undefined, external: false }, () => app)
  return [
    make(builtIn.map, ['task', 'it'], (task: unknown, it: readonly unknown[]) =>
      mapped(
        app,
        task,
        it.map((one) => [one]),
      ),
    ),
    make(builtIn.starmap, ['task', 'it'], (task: unknown, it: readonly (readonly unknown[])[]) =>
      mapped(app, task, it),
    ),
    make(builtIn.chunks, ['task', 'it', 'n'], (task: unknown, it: readonly unknown[], n: number) =>
      send(app, chunksOf(dictToSignature(task), it, n)),
    ),
    make(builtIn.group, ['tasks', 'result', 'group_id', 'partial_args'], (tasks, _result, taskId, args = []) =>
      send(app, { ...groupSignature(dictsToSignatures(tasks, 'tasks'), { taskId }), args }),
    ),
    make(builtIn.chord, ['header', 'body', 'partial_args'], (header: unknown, body: unknown, args = []) => {
      const parts = dictsToSignatures(header, 'header')
      return send(app, { ...chordSignature(parts, dictToSignature(body)), args })
    }),
    make(builtIn.chain, [], () => {
      throw new TypeError(
        'celery.chain is not a task that can be run: a chain travels in the message of its first step.',
      )
    }),
    make(
      builtIn.accumulate,
      [],
      (self: BoundTask, ...args: readonly unknown[]) => {
        const { index } = self.request.kwargs
        return typeof index === 'number' ? args[index] : args
      },
      { bind: true },
    ),
    make(builtIn.chordUnlock, ['group_id', 'callback', 'interval', 'max_retries', 'result'], unlockChord, {
      bind: true,
      maxRetries: null,
      ignoreResult: true,
    }),
    // What has expired is gone by itself in every result backend of tq.
    make(builtIn.backendCleanup, [], () => null),
  ]
}

async function mapped(app: TqApp, task: unknown, items: readonly (readonly unknown[])[]): Promise<readonly unknown[]> {
  const inner = app.registry.require(dictToSignature(task).task)
  const values: unknown[] = []
  for (const args of items) values.push(await app.callDirectly(inner, args as readonly never[])) // the caller's promise
  return values
}

async function send(app: TqApp, signature: SignatureData): Promise<string> {
  const { id } = await app.sendSignature<{ readonly id: string }>(signature)
  return id
}

/**
 * Sends a chord's body once its parts are ready: how Celery's backends without counters do it, by asking again and again.
 * Source: celery/app/builtins.py, add_unlock_chord_task.
 */
async function unlockChord(
  self: BoundTask,
  groupId: string,
  callback: unknown,
  interval: number | null | undefined,
  maxRetries: number | null | undefined,
  result: readonly unknown[],
): Promise<void> {
  const { app } = self
  const { id, rootId } = self.request
  const body = dictToSignature(callback)
  const parts = await app.resultSet(result.map((one) => app.result(tupleToRef(one).id))).metas()
  const metas = parts.filter((meta) => meta !== undefined && isReady(meta.state)) as readonly TaskMeta[] // none is undefined
  if (metas.length < parts.length) self.retry({ countdown: interval ?? 1, maxRetries: maxRetries ?? null })
  const failed = metas.find(({ state }) => state !== 'SUCCESS')
  if (!failed) {
    await app.sendFollowing(withArgs(body, [metas.map((meta) => meta.result)]), { rootId, parentId: id })
    return
  }
  const error = chordError(failed)
  app.logger.error(`Chord ${groupId} failed: ${String(error.message[0])}`)
  const deps = { app, backend: await app.resultBackend(), ttlMs: app.settings.resultExpires * 1000 }
  await failBody(deps, { id, rootId }, body, error)
}
