import { optionalList } from './fields.ts'

/** Whether a stamp of this name would take the place of an option: on the wire stamps lie among them. */
export function isOptionName(name: string): boolean {
  return optionNames.has(name)
}

const optionNames: ReadonlySet<string> = new Set([
  'task_id',
  'reply_to',
  'root_id',
  'parent_id',
  'group_id',
  'group_index',
  'chord',
  'chain',
  'link',
  'link_error',
  'queue',
  'exchange',
  'routing_key',
  'priority',
  'countdown',
  'eta',
  'expires',
  'serializer',
  'compression',
  'headers',
  'shadow',
  'time_limit',
  'soft_time_limit',
  'ignore_result',
  'stamped_headers',
  'replaced_task_nesting',
  '__proto__',
])

/** The options that `stamped_headers` names; undefined where it names none. Source: celery/app/amqp.py, as_task_v2. */
export function readStamps(
  dict: Record<string, unknown>,
  path: string,
  fail: (header: string, reason: string) => never,
): Readonly<Record<string, unknown>> | undefined {
  const names = optionalList(dict['stamped_headers'], `${path}.stamped_headers`, fail) ?? []
  const stamps: Record<string, unknown> = {}
  for (const name of names) {
    if (typeof name === 'string' && !optionNames.has(name) && Object.hasOwn(dict, name)) stamps[name] = dict[name]
  }
  return names.length === 0 ? undefined : stamps
}
