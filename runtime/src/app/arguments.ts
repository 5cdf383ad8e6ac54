import { ArgumentError } from '../core/errors.ts'
import type { TaskDefinition } from './task.ts'
import { type ParameterList, readParameters, withoutSelf } from './task-source.ts'

/** What a call may give, without `self`; `params` names it anew. */
export function parametersOf(definition: TaskDefinition): ParameterList {
  const { fn, source, site, options } = definition
  const read = readParameters(source ?? fn, site)
  const list = options.bind && source === undefined ? withoutSelf(read) : read
  if (!options.params) return list
  const names = options.params.map((param) => param.replace(/\?$/, ''))
  const firstOptional = options.params.findIndex((param) => param.endsWith('?'))
  const required = firstOptional < 0 ? Math.min(list.required, names.length) : firstOptional
  return { ...list, names, required, text: list.names.join() === names.join() ? list.text : options.params.join(', ') }
}

/** Keywords put in the places of their parameters. */
export function placed(
  list: ParameterList,
  args: readonly unknown[],
  kwargs: Readonly<Record<string, unknown>>,
): readonly unknown[] {
  const keywords = Object.keys(kwargs)
  if (keywords.length === 0) return args
  const all = [...args]
  for (const keyword of keywords) {
    const at = list.names.indexOf(keyword)
    if (at >= 0) all[at] = kwargs[keyword]
  }
  return Array.from(all)
}

/** Throws ArgumentError for a wrong number of arguments, and for unknown or double keywords. */
export function checkArity(
  name: string,
  list: ParameterList,
  args: readonly unknown[],
  kwargs: Readonly<Record<string, unknown>> | undefined,
): void {
  const given = args.length
  const keywords = Object.keys(kwargs ?? {})
  const positional = list.names.slice(given)
  const stranger = keywords.find((key) => !positional.includes(key))
  const missing = list.names.slice(given, list.required).filter((one) => !keywords.includes(one))
  if (given <= list.most && stranger === undefined && missing.length === 0) return
  const signature = `${name}(${list.text})${list.returns}`
  if (stranger !== undefined && given <= list.most) {
    const twice = list.names.includes(stranger) ? 'is given twice' : 'is not a parameter'
    throw new ArgumentError(`Keyword argument '${stranger}' ${twice}: ${signature}.`)
  }
  const [lacks] = missing
  if (keywords.length > 0 && given <= list.most && lacks !== undefined) {
    throw new ArgumentError(`Argument '${lacks}' is missing: ${signature}.`)
  }
  const wanted =
    list.most === list.required
      ? `${list.required}`
      : list.most === Infinity
        ? `at least ${list.required}`
        : `${list.required} to ${list.most}`
  const plural = /^(?:at least )?1$/.test(wanted) ? '' : 's'
  throw new ArgumentError(
    `Expected ${wanted} argument${plural} (${list.text}), got ${given + keywords.length}: ${signature}. ` +
      'If a parameter is optional, give it a default value.',
  )
}
