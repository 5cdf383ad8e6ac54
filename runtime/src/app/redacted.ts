import { redactCall } from '../core/redact.ts'
import { argsRepr, kwargsRepr } from '../wire/python-text.ts'
import type { TaskOptions } from './task.ts'
import type { TqApp } from './tq.ts'

/**
 * Texts that show the arguments of a call without what `redact` and `taskRedact` name; undefined where they name nothing, and the texts
 * may be made of the arguments themselves.
 */
export function redactedReprs(
  app: TqApp,
  call: {
    readonly task: string
    readonly args: readonly unknown[]
    readonly kwargs: Readonly<Record<string, unknown>>
  },
  { redact = [], params }: Pick<TaskOptions, 'redact' | 'params'>,
): { readonly argsRepr: string; readonly kwargsRepr: string } | undefined {
  const { taskRedact } = app.settings
  if (redact.length === 0 && taskRedact.length === 0) return undefined
  const parameters = params ?? app.registry.get(call.task)?.describe().params ?? []
  const { args, kwargs } = redactCall(call.args, call.kwargs, new Set([...redact, ...taskRedact]), parameters)
  return { argsRepr: argsRepr(args), kwargsRepr: kwargsRepr(kwargs) }
}
