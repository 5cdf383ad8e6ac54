import { IncompleteStreamError } from '../core/errors.ts'
import { isReady } from '../core/states.ts'
import type { GetOptions } from './async-result.ts'
import type { AnyResult } from './group-result.ts'

/** A result and the one that it came of, undefined for the first. */
export type Dependency = readonly [from: AnyResult | undefined, result: AnyResult]

/** How to wait for all that came of a result. */
export interface CollectOptions extends GetOptions {
  /** Does not wait: a result that is not ready comes without a value, and nothing behind it. Default false. */
  readonly intermediate?: boolean | undefined
}

/**
 * A result and all that came of it, breadth first; of a chord that a task sent its header before its body. Looks no further than what
 * is ready: throws IncompleteStreamError at a result that is not, unless `intermediate`.
 */
export async function* dependencies(
  result: AnyResult,
  options: { readonly intermediate?: boolean | undefined } = {},
): AsyncGenerator<Dependency> {
  for await (const [from, one] of breadthFirst(result)) {
    yield [from, one]
    if (!options.intermediate && !(await isKnown(one))) throw new IncompleteStreamError(one.id)
  }
}

/** A result and all that came of it, each with its value, breadth first: waits for each one. Source: celery/result.py, AsyncResult.collect. */
export async function* collected(
  result: AnyResult,
  { intermediate = false, ...options }: CollectOptions = {},
): AsyncGenerator<readonly [result: AnyResult, value: unknown]> {
  for await (const [, one] of breadthFirst(result)) {
    yield [one, intermediate && !(await one.ready()) ? undefined : await one.get(options)]
  }
}

/** The value of the last one. */
export async function leafOf(result: AnyResult, options: GetOptions = {}): Promise<unknown> {
  let value: unknown
  for await (const [, one] of collected(result, options)) value = one
  return value
}

/** Asks a result for its children when the next one is wanted: by then its reader may have waited for it. */
async function* breadthFirst(result: AnyResult): AsyncGenerator<Dependency> {
  const seen = new Set<string>()
  const waiting: Dependency[] = [[undefined, result]]
  for (let next = waiting.shift(); next; next = waiting.shift()) {
    const [from, one] = next
    if (seen.has(one.id)) continue
    seen.add(one.id)
    yield [from, one]
    for (const child of await one.children()) waiting.push(...lineageOf(child, one))
  }
}

/** A child that stands behind others, a chord's body behind its header: those came of the same task. */
function lineageOf(child: AnyResult, from: AnyResult): readonly Dependency[] {
  const lineage: AnyResult[] = []
  for (let at: AnyResult | undefined = child; at && at.id !== from.id; at = at.parent) lineage.unshift(at)
  return lineage.map((one, i) => [lineage[i - 1] ?? from, one])
}

/** What was sent first of the steps that led to it. */
export function originOf(result: AnyResult): AnyResult {
  let origin = result
  while (origin.parent) origin = origin.parent
  return origin
}

async function isKnown(result: AnyResult): Promise<boolean> {
  return 'results' in result ? true : isReady(await result.state())
}
