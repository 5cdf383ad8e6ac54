import { redactCall } from '../core/redact.ts'
import { argsRepr, kwargsRepr } from '../wire/python-text.ts'
import { builtIn, mappedTask } from './mapping.ts'
import type { TaskOptions } from './task.ts'
import type { TqApp } from './tq.ts'

interface ShownCall {
  readonly task: string
  readonly args: readonly unknown[]
  readonly kwargs: Readonly<Record<string, unknown>>
}

/**
 * Texts that show the arguments of a call without what `redact` and `taskRedact` name; undefined where they name nothing, and the texts
 * may be made of the arguments themselves. The items of a map or starmap are arguments of the task that it maps.
 */
export function redactedReprs(
  app: TqApp,
  call: ShownCall,
  own: Pick<TaskOptions, 'redact' | 'params'>,
): { readonly argsRepr: string; readonly kwargsRepr: string } | undefined {
  const mapped = mappedTask(call.task, call.kwargs)
  const { redact = [], params } = mapped === undefined ? own : (app.registry.get(mapped)?.definition.options ?? {})
  const { taskRedact } = app.settings
  if (redact.length === 0 && taskRedact.length === 0) return undefined
  const parameters = params ?? app.registry.get(mapped ?? call.task)?.describe().params ?? []
  const names = new Set([...redact, ...taskRedact])
  const { args, kwargs } =
    mapped === undefined
      ? redactCall(call.args, call.kwargs, names, parameters)
      : { args: call.args, kwargs: { ...call.kwargs, it: redactedItems(call, names, parameters) } }
  return { argsRepr: argsRepr(args), kwargsRepr: kwargsRepr(kwargs) }
}

function redactedItems(
  { task, kwargs: { it } }: ShownCall,
  names: ReadonlySet<string>,
  parameters: readonly string[],
): unknown {
  if (!Array.isArray(it)) return redactCall([it], {}, names, []).args[0]
  return it.map((item: unknown) => {
    const isList = task === builtIn.starmap && Array.isArray(item)
    const { args } = redactCall(isList ? item : [item], {}, names, parameters)
    return isList ? args : args[0]
  })
}
