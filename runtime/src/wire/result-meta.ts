import { DecodeError } from '../core/errors.ts'
import { isoTime } from '../core/iso-time.ts'
import type { GroupMeta, ResultRef, StoredError, TaskMeta } from '../core/states.ts'
import {
  isList,
  isRecord,
  optionalCount,
  optionalList,
  optionalText,
  optionalTime,
  otherFields,
  requiredText,
  shown,
} from './fields.ts'

/**
 * Celery's result document. `date_done` is UTC with six digits and `+00:00`; an error becomes exc_type, exc_message and
 * exc_module; fields of `resultExtended` are there only when the meta has them.
 * Source: celery/backends/base.py, Backend._get_result_meta, prepare_exception (Celery 5.6).
 */
export function metaToDict(meta: TaskMeta): Record<string, unknown> {
  const dict: Record<string, unknown> = {
    ...meta.extra,
    ...meta.stamps,
    status: meta.state,
    result: resultToValue(meta),
    traceback: meta.traceback ?? null,
    children: meta.children === undefined ? null : meta.children.map(refToTuple),
    date_done: meta.doneAtMs === undefined ? null : isoTime(meta.doneAtMs),
  }
  if (meta.groupId !== undefined) dict['group_id'] = meta.groupId
  if (meta.parentId !== undefined) dict['parent_id'] = meta.parentId
  if (meta.name !== undefined) dict['name'] = meta.name
  if (meta.args !== undefined) dict['args'] = meta.args
  if (meta.kwargs !== undefined) dict['kwargs'] = meta.kwargs
  if (meta.worker !== undefined) dict['worker'] = meta.worker
  if (meta.retries !== undefined) dict['retries'] = meta.retries
  if (meta.queue !== undefined) dict['queue'] = meta.queue
  if (meta.stamps !== undefined) dict['stamped_headers'] = Object.keys(meta.stamps)
  dict['task_id'] = meta.id
  return dict
}

/**
 * The meta in a result document, of any Celery since 4. A `date_done` without an offset is UTC (Celery 5.2). In FAILURE, RETRY
 * and REVOKED the result is the error; one that is no exception dict becomes an `Exception` with it as its message. `args`
 * and `kwargs` that are no list and no object (older backends store their repr) stay in `extra`. Throws DecodeError.
 */
export function dictToMeta(dict: unknown): TaskMeta {
  if (!isRecord(dict)) return fail('it', `is to be an object, got ${shown(dict)}`)
  const state = requiredText(dict['status'], 'status', fail)
  const args = isList(dict['args']) ? dict['args'] : undefined
  const kwargs = isRecord(dict['kwargs']) ? dict['kwargs'] : undefined
  const stamps = stampsOf(dict)
  const known = knownFields(args !== undefined, kwargs !== undefined, stamps)
  return {
    id: requiredText(dict['task_id'], 'task_id', fail),
    state,
    ...valueToResult(state, dict['result']),
    traceback: optionalText(dict['traceback'], 'traceback', fail),
    children: optionalList(dict['children'], 'children', fail)?.map(tupleToRef),
    parentId: optionalText(dict['parent_id'], 'parent_id', fail),
    groupId: optionalText(dict['group_id'], 'group_id', fail),
    doneAtMs: optionalTime(dict['date_done'], 'date_done', fail),
    name: optionalText(dict['name'], 'name', fail),
    args,
    kwargs,
    worker: optionalText(dict['worker'], 'worker', fail),
    retries: optionalCount(dict['retries'], 'retries', fail),
    queue: optionalText(dict['queue'], 'queue', fail),
    ...(stamps && { stamps }),
    extra: otherFields(dict, known),
  }
}

/** A key each, named by `stamped_headers`. Source: celery/backends/base.py, _get_result_meta. */
function stampsOf(dict: Record<string, unknown>): Record<string, unknown> | undefined {
  const names = dict['stamped_headers']
  if (!isList(names)) return undefined
  const isStamp = (name: unknown): name is string =>
    typeof name === 'string' && !allFields.has(name) && Object.hasOwn(dict, name)
  return Object.fromEntries(names.filter(isStamp).map((name) => [name, dict[name]]))
}

/** The document of a saved group. Source: celery/backends/base.py, KeyValueStoreBackend._save_group. */
export function groupToDict(group: GroupMeta): Record<string, unknown> {
  return { result: refToTuple(group) }
}

/** The group in such a document. Throws DecodeError. */
export function dictToGroup(dict: unknown): GroupMeta {
  if (!isRecord(dict)) return fail('a group', `is to be an object, got ${shown(dict)}`)
  const { id, parent, results } = tupleToRef(dict['result'])
  return parent === undefined ? { id, results: results ?? [] } : { id, results: results ?? [], parent }
}

/**
 * A reference as nested lists: `[[id, parent], null]`, for a group `[[id, parent], [child, …]]`.
 * Source: celery/result.py, AsyncResult.as_tuple, GroupResult.as_tuple.
 */
export function refToTuple(ref: ResultRef): readonly unknown[] {
  return [[ref.id, ref.parent ? refToTuple(ref.parent) : null], ref.results ? ref.results.map(refToTuple) : null]
}

/** The reference in such lists; a bare id in place of `[id, parent]` is read too. Throws DecodeError. */
export function tupleToRef(value: unknown): ResultRef {
  return readRef(value, 0)
}

/**
 * One member of a chord's `.j` set, to be serialised: `[1, id, state, result]`. Equal parts must give equal texts, since the set is
 * what makes counting idempotent. Source: celery/backends/redis.py, RedisBackend.on_chord_part_return.
 */
export function chordPart(meta: TaskMeta): readonly unknown[] {
  return [1, meta.id, meta.state, resultToValue(meta)]
}

/** The part in such a list. Throws DecodeError. */
export function chordPartOf(part: unknown): TaskMeta {
  if (!isList(part) || part.length !== 4) return fail('a chord part', `is to be a list of 4, got ${shown(part)}`)
  const [, id, status, result] = part
  const state = requiredText(status, 'the state of a chord part', fail)
  return { id: requiredText(id, 'the id of a chord part', fail), state, ...valueToResult(state, result) }
}

/** A stored error as Celery's exception dict. */
export function errorToDict(error: StoredError): Record<string, unknown> {
  return { exc_type: error.type, exc_message: error.message, exc_module: error.module }
}

const fail = (name: string, reason: string): never => {
  throw new DecodeError(`Not a result document: ${name} ${reason}`)
}

/** A chain's result has its parents nested inside it, one level each. */
const maxRefDepth = 1000

function readRef(value: unknown, depth: number): ResultRef {
  if (depth > maxRefDepth) return fail('a result', `is nested more than ${maxRefDepth} levels deep`)
  if (!isList(value)) return fail('a result', `is to be a list, got ${shown(value)}`)
  const [head, nodes] = value
  const [id, parent] = isList(head) ? head : [head]
  const ref: ResultRef = { id: requiredText(id, 'the id of a result', fail) }
  const above = parent === null || parent === undefined ? ref : { ...ref, parent: readRef(parent, depth + 1) }
  const children = optionalList(nodes, 'the members of a group', fail)
  return children ? { ...above, results: children.map((child) => readRef(child, depth + 1)) } : above
}

/** Source: celery/states.py, EXCEPTION_STATES. */
const errorStates: ReadonlySet<string> = new Set(['RETRY', 'FAILURE', 'REVOKED'])

function resultToValue(meta: TaskMeta): unknown {
  return meta.error ? errorToDict(meta.error) : (meta.result ?? null)
}

function valueToResult(state: string, value: unknown): Pick<TaskMeta, 'result' | 'error'> {
  if (!errorStates.has(state)) return { result: value }
  if (value === null || value === undefined) return {}
  if (!isRecord(value) || value['exc_type'] === undefined) {
    return { error: { type: 'Exception', message: [value], module: 'builtins' } }
  }
  return {
    error: {
      type: requiredText(value['exc_type'], 'exc_type', fail),
      message: messageOf(value['exc_message']),
      module: optionalText(value['exc_module'], 'exc_module', fail) ?? 'builtins',
    },
  }
}

/** A list of arguments; Celery before 4.3 stored one text. */
function messageOf(value: unknown): readonly unknown[] {
  if (isList(value)) return value
  return value === null || value === undefined ? [] : [value]
}

const plainFields = [
  'status',
  'result',
  'traceback',
  'children',
  'date_done',
  'group_id',
  'parent_id',
  'name',
  'worker',
  'retries',
  'queue',
  'task_id',
]
const allFields: ReadonlySet<string> = new Set([...plainFields, 'args', 'kwargs'])

function knownFields(
  hasArgs: boolean,
  hasKwargs: boolean,
  stamps: Record<string, unknown> | undefined,
): ReadonlySet<string> {
  if (stamps) return new Set([...allFields, 'stamped_headers', ...Object.keys(stamps)])
  if (hasArgs && hasKwargs) return allFields
  const known = new Set(plainFields)
  if (hasArgs) known.add('args')
  if (hasKwargs) known.add('kwargs')
  return known
}
