import { DecodeError } from '../core/errors.ts'
import {
  type ActiveQueue,
  dictToActiveQueue,
  dictToQueried,
  dictToScheduled,
  dictToStats,
  dictToTaskInfo,
  type QueriedTask,
  type ScheduledTask,
  type TaskInfo,
  type WorkerStats,
} from '../wire/inspect-dict.ts'

/** What each question to a worker is answered with. */
export interface InspectAnswer {
  /** Tasks that run now. */
  readonly active: readonly TaskInfo[]
  /** Tasks taken from the broker that do not run yet. */
  readonly reserved: readonly TaskInfo[]
  /** Tasks that wait for their ETA. */
  readonly scheduled: readonly ScheduledTask[]
  /** Task names; with `taskInfo`, each followed by ` [rate_limit=10/m ...]`. */
  readonly registered: readonly string[]
  readonly stats: WorkerStats
  /** Ids of revoked tasks. */
  readonly revoked: readonly string[]
  readonly activeQueues: readonly ActiveQueue[]
  /** Those of the asked ids that the worker knows. */
  readonly queryTask: Readonly<Record<string, QueriedTask>>
  readonly report: string
  /** Settings by Celery's names, secrets masked. */
  readonly conf: Readonly<Record<string, unknown>>
  /** Lamport clock. */
  readonly clock: number
}

/** A question that workers answer. */
export type InspectQuery = keyof InspectAnswer

type Readers = { readonly [Q in InspectQuery]: (value: unknown) => InspectAnswer[Q] }

/** Makes a worker's answer typed data. Each throws DecodeError for what Celery would not send. */
export const inspectReaders: Readers = {
  active: (value) => list(value).map(dictToTaskInfo),
  reserved: (value) => list(value).map(dictToTaskInfo),
  scheduled: (value) => list(value).map(dictToScheduled),
  registered: texts,
  stats: dictToStats,
  revoked: texts,
  activeQueues: (value) => list(value).map(dictToActiveQueue),
  queryTask: dictToQueried,
  report: (value) => text(field(value, 'ok')),
  conf: record,
  clock: (value) => number(field(value, 'clock')),
}

function list(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value
  // Celery's worker answers `active_queues` with null while it has no consumer.
  if (value === null) return []
  throw new DecodeError('Expected a list.')
}

function texts(value: unknown): readonly string[] {
  return list(value).map(text)
}

function text(value: unknown): string {
  if (typeof value === 'string') return value
  throw new DecodeError('Expected a text.')
}

function number(value: unknown): number {
  if (typeof value === 'number') return value
  throw new DecodeError('Expected a number.')
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value }
  throw new DecodeError('Expected an object.')
}

function field(value: unknown, key: string): unknown {
  const found = record(value)
  return Object.hasOwn(found, key) ? found[key] : undefined
}
