import { type SignatureData, walk } from '../core/signature.ts'
import { mappedArguments, mappedTask } from './mapping.ts'
import type { Call } from './send.ts'
import type { AnyTask } from './task.ts'
import type { TqApp } from './tq.ts'
import { isPromise, type MaybePromise, parseArguments } from './validation.ts'

/**
 * What `prepare` makes of calls whose arguments their tasks take. All calls pass here before anything of them is sent or kept, whoever
 * makes them. Arguments are checked against the schemas of tasks that are known here, where they are complete: not those of a call that
 * a worker sends after another one, nor of a later step that takes a result; the worker that runs these does it. Gives a promise
 * where a schema is asynchronous. Throws (or rejects with) ValidationError and ArgumentError.
 */
export function whenValid<T>(app: TqApp, calls: readonly Call[], prepare: () => T): MaybePromise<T> {
  const checking = passed(checksOf(app, calls))
  return checking ? checking.then(prepare) : prepare()
}

/** One after the other; a promise from the first one on that is. */
function passed(checks: Iterator<MaybePromise<unknown>>): Promise<void> | undefined {
  for (let next = checks.next(); !next.done; next = checks.next()) {
    if (isPromise(next.value)) return next.value.then(() => passed(checks))
  }
  return undefined
}

function* checksOf(app: TqApp, calls: Iterable<Call>): Generator<MaybePromise<unknown>> {
  // The members of a header have one body.
  const seen = new Set<SignatureData>()
  for (const { task: name, known, args, options, chain = [], chord, following } of calls) {
    if (following) continue
    yield* checksOfTask(app, { task: name, args, kwargs: options.kwargs ?? {} }, known)
    const links = [options.link ?? [], options.linkError ?? []].flat().map(({ data }) => data)
    for (const later of [...chain, ...(chord ? [chord] : []), ...links]) {
      if (seen.has(later)) continue
      seen.add(later)
      yield* laterChecks(app, later)
    }
  }
}

/** Of what is sent after something else, those tasks have all of their arguments that take no result. */
function* laterChecks(app: TqApp, later: SignatureData): Generator<MaybePromise<unknown>> {
  for (const { kind, immutable, task, args, kwargs } of walk(later)) {
    if (kind !== 'task' || !immutable) continue
    yield* checksOfTask(app, { task, args, kwargs })
  }
}

function* checksOfTask(
  app: TqApp,
  { task: name, args, kwargs }: Pick<SignatureData, 'task' | 'args' | 'kwargs'>,
  known: AnyTask | undefined = app.registry.get(name),
): Generator<MaybePromise<unknown>> {
  if (known?.definition.validation) yield parseArguments(app, known, args, kwargs)
  const mapped = mappedTask(name, kwargs)
  const inner = mapped === undefined ? undefined : app.registry.get(mapped)
  if (!inner?.definition.validation) return
  for (const each of mappedArguments(name, kwargs)) yield parseArguments(app, inner, each, {})
}
