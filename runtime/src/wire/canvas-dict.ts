import { ProtocolError } from '../core/errors.ts'
import { isoTime } from '../core/iso-time.ts'
import type { SignatureData, SignatureOptions } from '../core/signature.ts'
import { readStamps } from './stamp-options.ts'
import {
  isRecord,
  optionalCount,
  optionalFlag,
  optionalList,
  optionalNumber,
  optionalRecord,
  optionalText,
  optionalTime,
  otherFields,
  requiredText,
  shown,
} from './fields.ts'

/**
 * Celery's dict of a signature. A chain, group or chord carries its members in `kwargs`, as Celery does; a chord's header is a
 * list, or a group where the signature has `headerOptions`. Source: celery/canvas.py, Signature, _chain, group, _chord.
 */
export function signatureToDict(signature: SignatureData): Record<string, unknown> {
  return {
    task: signature.task,
    args: signature.args,
    kwargs: kwargsToDict(signature),
    options: optionsToDict(signature.options),
    subtask_type: signature.kind === 'task' ? null : signature.kind,
    immutable: signature.immutable,
  }
}

/**
 * The signature in a dict that came from outside. `path` names it in errors. `celery.map`, `celery.starmap` and `celery.chunks`
 * are tasks whose `kwargs.task` stays a dict. Throws ProtocolError for wrong types and for signatures nested beyond 200 levels.
 */
export function dictToSignature(value: unknown, path = 'signature'): SignatureData {
  return read(value, path, 0)
}

/** A list of signatures; null is none, and a single dict is a list of one, as Celery's maybe_list reads it. */
export function dictsToSignatures(value: unknown, path: string): readonly SignatureData[] {
  return readList(value, path, 0)
}

const maxDepth = 200

function kwargsToDict(signature: SignatureData): Readonly<Record<string, unknown>> {
  const parts = signature.parts ?? []
  switch (signature.kind) {
    case 'task':
      return signature.kwargs
    case 'chain':
    case 'group':
      return { ...signature.kwargs, tasks: parts.map(signatureToDict) }
    case 'chord': {
      const header = parts.map(signatureToDict)
      return {
        kwargs: signature.kwargs,
        header: signature.headerOptions ? groupDict(header, signature.headerOptions) : header,
        body: signature.body ? signatureToDict(signature.body) : null,
      }
    }
  }
}

function groupDict(tasks: readonly unknown[], options: SignatureOptions): Record<string, unknown> {
  return {
    task: 'celery.group',
    args: [],
    kwargs: { tasks },
    options: optionsToDict(options),
    subtask_type: 'group',
    immutable: false,
  }
}

const fail = (header: string, reason: string): never => {
  throw new ProtocolError(header, reason)
}

function read(value: unknown, path: string, depth: number): SignatureData {
  if (depth > maxDepth) return fail(path.slice(0, 60), `is nested more than ${maxDepth} levels deep`)
  if (!isRecord(value)) return fail(path, `is to be a signature, got ${shown(value)}`)
  const task = requiredText(value['task'], `${path}.task`, fail)
  const type = optionalText(value['subtask_type'], `${path}.subtask_type`, fail)
  const kwargs = optionalRecord(value['kwargs'], `${path}.kwargs`, fail) ?? {}
  const common = {
    task,
    args: optionalList(value['args'], `${path}.args`, fail) ?? [],
    options: readOptions(value['options'], `${path}.options`, depth),
    immutable: optionalFlag(value['immutable'], `${path}.immutable`, fail) ?? false,
  }
  switch (kindOf(type, task)) {
    case 'task':
      return { kind: 'task', ...common, kwargs }
    case 'chain':
      return { kind: 'chain', ...common, ...readTasks(kwargs, path, depth) }
    case 'group':
      return { kind: 'group', ...common, ...readTasks(kwargs, path, depth) }
    case 'chord':
      return { kind: 'chord', ...common, ...readChord(kwargs, path, depth) }
  }
}

/** The type decides; a dict without one of ours is known by the name of the built-in task. Other types are run as tasks. */
function kindOf(type: string | undefined, task: string): SignatureData['kind'] {
  if (type === 'chain' || type === 'group' || type === 'chord') return type
  if (task === 'celery.chain') return 'chain'
  if (task === 'celery.group') return 'group'
  return task === 'celery.chord' ? 'chord' : 'task'
}

const tasksKey: ReadonlySet<string> = new Set(['tasks'])

function readTasks(kwargs: Record<string, unknown>, path: string, depth: number) {
  return { kwargs: otherFields(kwargs, tasksKey) ?? {}, parts: readList(kwargs['tasks'], `${path}.tasks`, depth + 1) }
}

function readChord(kwargs: Record<string, unknown>, path: string, depth: number) {
  const inner = optionalRecord(kwargs['kwargs'], `${path}.kwargs.kwargs`, fail) ?? {}
  const body = kwargs['body']
  const header = readHeader(kwargs['header'], `${path}.header`, depth + 1)
  if (body === null || body === undefined) return { kwargs: inner, ...header }
  return { kwargs: inner, ...header, body: read(body, `${path}.body`, depth + 1) }
}

/** A header is a list of signatures or one group of them; anything else is a header of one. */
function readHeader(value: unknown, path: string, depth: number) {
  if (!isRecord(value)) return { parts: readList(value, path, depth) }
  const header = read(value, path, depth)
  if (header.kind !== 'group') return { parts: [header] }
  return { parts: header.parts ?? [], headerOptions: header.options }
}

function readList(value: unknown, path: string, depth: number): readonly SignatureData[] {
  if (value === null || value === undefined) return []
  if (isRecord(value)) return [read(value, path, depth)]
  const members = optionalList(value, path, fail) ?? []
  return members.map((member, index) => read(member, `${path}[${index}]`, depth))
}

function readOptions(value: unknown, path: string, depth: number): SignatureOptions {
  const dict = optionalRecord(value, path, fail)
  if (dict === undefined) return {}
  const options: { -readonly [Key in keyof SignatureOptions]: SignatureOptions[Key] } = {}
  const extra: Record<string, unknown> = {}
  let hasExtra = false
  const stamps = readStamps(dict, path, fail)
  if (stamps) options.stamps = stamps
  for (const [key, field] of Object.entries(dict)) {
    if (key === '__proto__' || (stamps && (key === 'stamped_headers' || Object.hasOwn(stamps, key)))) continue
    // A null says nothing to Celery; it is kept so that forwarding changes nothing.
    if (field !== null && field !== undefined && readOption(options, key, field, `${path}.${key}`, depth)) continue
    extra[key] = field
    hasExtra = true
  }
  if (hasExtra) options.extra = extra
  return options
}

/** Sets the one option; false when tq does not know it. */
function readOption(
  options: { -readonly [Key in keyof SignatureOptions]: SignatureOptions[Key] },
  key: string,
  field: unknown,
  path: string,
  depth: number,
): boolean {
  switch (key) {
    case 'task_id':
      options.taskId = optionalText(field, path, fail)
      return true
    case 'reply_to':
      options.replyTo = optionalText(field, path, fail)
      return true
    case 'root_id':
      options.rootId = optionalText(field, path, fail)
      return true
    case 'parent_id':
      options.parentId = optionalText(field, path, fail)
      return true
    case 'group_id':
      options.groupId = optionalText(field, path, fail)
      return true
    case 'group_index':
      options.groupIndex = optionalCount(field, path, fail)
      return true
    case 'chord':
      options.chord = read(field, path, depth + 1)
      return true
    case 'chain':
      options.chain = readList(field, path, depth + 1).toReversed()
      return true
    case 'link':
      options.link = readList(field, path, depth + 1)
      return true
    case 'link_error':
      options.linkError = readList(field, path, depth + 1)
      return true
    case 'queue':
      options.queue = optionalText(field, path, fail)
      return true
    case 'exchange':
      options.exchange = optionalText(field, path, fail)
      return true
    case 'routing_key':
      options.routingKey = optionalText(field, path, fail)
      return true
    case 'priority':
      options.priority = optionalNumber(field, path, fail)
      return true
    case 'countdown':
      options.countdown = optionalNumber(field, path, fail)
      return true
    case 'eta':
      options.etaMs = optionalTime(field, path, fail)
      return true
    case 'expires':
      if (typeof field === 'number') options.expires = optionalNumber(field, path, fail)
      else options.expiresMs = optionalTime(field, path, fail)
      return true
    case 'serializer':
      options.serializer = optionalText(field, path, fail)
      return true
    case 'compression':
      options.compression = optionalText(field, path, fail)
      return true
    case 'headers':
      options.headers = optionalRecord(field, path, fail)
      return true
    case 'shadow':
      options.shadow = optionalText(field, path, fail)
      return true
    case 'time_limit':
      options.timeLimit = optionalNumber(field, path, fail)
      return true
    case 'soft_time_limit':
      options.softTimeLimit = optionalNumber(field, path, fail)
      return true
    case 'ignore_result':
      options.ignoreResult = optionalFlag(field, path, fail)
      return true
    default:
      return false
  }
}

/** What is known wins over an unknown option of the same wire name. */
function optionsToDict(options: SignatureOptions): Record<string, unknown> {
  const dict: Record<string, unknown> = { ...options.extra, ...options.stamps }
  if (options.stamps) dict['stamped_headers'] = Object.keys(options.stamps)
  const set = (key: string, value: unknown): void => {
    if (value !== undefined) dict[key] = value
  }
  set('task_id', options.taskId)
  set('reply_to', options.replyTo)
  set('root_id', options.rootId)
  set('parent_id', options.parentId)
  set('group_id', options.groupId)
  set('group_index', options.groupIndex)
  set('chord', options.chord && signatureToDict(options.chord))
  // Last step first, as in a message: Celery takes the next one off its end.
  set('chain', options.chain?.toReversed().map(signatureToDict))
  set('link', options.link?.map(signatureToDict))
  set('link_error', options.linkError?.map(signatureToDict))
  set('queue', options.queue)
  set('exchange', options.exchange)
  set('routing_key', options.routingKey)
  set('priority', options.priority)
  set('countdown', options.countdown)
  // Text, since kombu 5.2 has no other form and every version reads it.
  set('eta', options.etaMs === undefined ? undefined : isoTime(options.etaMs))
  set('expires', options.expiresMs === undefined ? options.expires : isoTime(options.expiresMs))
  set('serializer', options.serializer)
  set('compression', options.compression)
  set('headers', options.headers)
  set('shadow', options.shadow)
  set('time_limit', options.timeLimit)
  set('soft_time_limit', options.softTimeLimit)
  set('ignore_result', options.ignoreResult)
  return dict
}
