import type { SignatureData } from '../core/signature.ts'
import { groupSignature } from './normal-form.ts'

/** Names of the tasks that every app has, as Celery has them. */
export const builtIn = {
  map: 'celery.map',
  starmap: 'celery.starmap',
  chunks: 'celery.chunks',
  group: 'celery.group',
  chain: 'celery.chain',
  chord: 'celery.chord',
  accumulate: 'celery.accumulate',
  chordUnlock: 'celery.chord_unlock',
  backendCleanup: 'celery.backend_cleanup',
} as const

/** A call of `celery.map` or `celery.starmap`: one task runs many items. */
export function mapSignature(kind: 'map' | 'starmap', task: unknown, items: Iterable<unknown>): SignatureData {
  return {
    kind: 'task',
    task: builtIn[kind],
    args: [],
    kwargs: { task, it: [...items] },
    options: {},
    immutable: true,
  }
}

/** A group of starmaps, `n` items each. Source: celery/canvas.py, chunks.group. */
export function chunksOf(task: unknown, items: Iterable<unknown>, n: number): SignatureData {
  if (!Number.isInteger(n) || n < 1) throw new RangeError(`Chunks are to have 1 item or more each, got ${n}.`)
  const all = [...items]
  const parts: SignatureData[] = []
  for (let at = 0; at < all.length; at += n) parts.push(mapSignature('starmap', task, all.slice(at, at + n)))
  return groupSignature(parts)
}

/** The arguments of the calls that one of `celery.map` or `celery.starmap` makes, as far as it says. */
export function mappedArguments(
  task: string,
  { it }: Readonly<Record<string, unknown>>,
): readonly (readonly unknown[])[] {
  if (!Array.isArray(it)) return []
  return task === builtIn.map ? it.map((one: unknown) => [one]) : it.filter((one) => Array.isArray(one))
}

/** The name of the task that a call runs for every item: it goes where that task's own calls go. */
export function mappedTask(task: string, kwargs: Readonly<Record<string, unknown>>): string | undefined {
  if (task !== builtIn.map && task !== builtIn.starmap) return undefined
  const given = kwargs['task']
  const inner = typeof given === 'object' && given !== null && 'data' in given ? given.data : given // a Signature
  const name = typeof inner === 'object' && inner !== null && 'task' in inner ? inner.task : undefined
  return typeof name === 'string' ? name : undefined
}
