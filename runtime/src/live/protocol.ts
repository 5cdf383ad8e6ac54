import type { TaskMeta } from '../core/states.ts'
import { isReady } from '../core/states.ts'
import type { TaskView, WorkerView } from '../events/cluster-state.ts'

/** What a client may say. Every frame is one JSON object in text. */
export type LiveRequest =
  /** The first message of a client that sent no `Authorization: Bearer` header. */
  | { readonly type: 'hello'; readonly token: string }
  /** Each state of a task from now on, the stored one first; ends by itself with the final one. */
  | { readonly type: 'watch-task'; readonly id: string }
  | { readonly type: 'unwatch-task'; readonly id: string }
  /** What the workers' events tell of all tasks: the newest ones first, then what changes. */
  | { readonly type: 'watch-cluster' }
  | { readonly type: 'unwatch-cluster' }

/** What the server says. */
export type LiveMessage =
  | { readonly type: 'ready'; readonly app: string; readonly version: string }
  | { readonly type: 'task'; readonly task: LiveTask }
  | {
      readonly type: 'cluster'
      /** What came before is void: this is all there is. */
      readonly reset: boolean
      readonly tasks: readonly LiveOutcome[]
      readonly workers: readonly LiveWorker[]
    }
  | {
      readonly type: 'error'
      readonly code: LiveFault
      readonly message: string
      /** The task that the error is about. */
      readonly id?: string | undefined
    }

/** Why a request was not done. */
export type LiveFault = 'bad-message' | 'too-many-watches' | 'unavailable'

/** A task as its stored result tells. */
export interface LiveTask {
  readonly id: string
  readonly state: string
  /** Nothing will change any more. */
  readonly ready: boolean
  /** Value of SUCCESS, meta of the states before. */
  readonly result?: unknown
  /** In place of a result of more than `maxMessageBytes`: its size as JSON. */
  readonly resultBytes?: number | undefined
  readonly error?: { readonly type: string; readonly message: string } | undefined
  readonly traceback?: string | undefined
  readonly doneAtMs?: number | undefined
}

/** A task as the events tell: arguments and result are Python-like texts, shortened. */
export interface LiveOutcome {
  readonly id: string
  readonly name: string
  readonly state: string
  readonly args: string
  readonly kwargs: string
  readonly worker?: string | undefined
  readonly result?: string | undefined
  readonly exception?: string | undefined
  /** Seconds. */
  readonly runtime?: number | undefined
  readonly sentMs?: number | undefined
  readonly finishedMs?: number | undefined
}

/** A worker as its events tell. */
export interface LiveWorker {
  readonly hostname: string
  readonly alive: boolean
  readonly active: number
  readonly processed: number
}

/** Why the server closed a connection: WebSocket close codes, 4000 and above being ours to give. */
export const closeCodes = {
  goingAway: 1001,
  broken: 1008,
  slow: 1013,
  refused: 4401,
  silent: 4408,
} as const

const longestId = 255

/** The request in a frame, or what is wrong with it. */
export function readRequest(text: string): LiveRequest | string {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return 'expected one JSON object in a text frame'
  }
  if (typeof value !== 'object' || value === null || !('type' in value)) return 'expected an object with a type'
  switch (value.type) {
    case 'hello':
      if (!('token' in value) || typeof value.token !== 'string') return 'expected hello to have a token'
      return { type: 'hello', token: value.token }
    case 'watch-task':
    case 'unwatch-task':
      if (!('id' in value) || typeof value.id !== 'string' || value.id === '' || value.id.length > longestId) {
        return `expected ${value.type} to have an id of 1 to ${longestId} characters`
      }
      return { type: value.type, id: value.id }
    case 'watch-cluster':
    case 'unwatch-cluster':
      return { type: value.type }
    default:
      return 'expected the type to be hello, watch-task, unwatch-task, watch-cluster or unwatch-cluster'
  }
}

/** The frame of a message. What JSON lacks is text: big integers in digits, bytes in base64. */
export function frameOf(message: LiveMessage): string {
  return JSON.stringify(message, plain)
}

/** A frame of at most `maxBytes`, the result left out where it is larger. */
export function taskFrame(meta: TaskMeta, maxBytes: number): string {
  const task = liveTask(meta)
  const frame = frameOf({ type: 'task', task })
  const bytes = Buffer.byteLength(frame)
  if (bytes <= maxBytes) return frame
  const { result: _, traceback, ...rest } = task
  return frameOf({
    type: 'task',
    task: { ...rest, error: shortened(rest.error), traceback: traceback?.slice(0, 2000), resultBytes: bytes },
  })
}

function shortened(error: LiveTask['error']): LiveTask['error'] {
  return error && { type: error.type.slice(0, 200), message: error.message.slice(0, 2000) }
}

function liveTask(meta: TaskMeta): LiveTask {
  const { id, state, result, error, traceback, doneAtMs } = meta
  return {
    id,
    state,
    ready: isReady(state),
    ...(result !== undefined && { result }),
    ...(error && { error: { type: error.type, message: error.message.map(textOf).join(', ') } }),
    ...(traceback !== undefined && { traceback }),
    ...(doneAtMs !== undefined && { doneAtMs }),
  }
}

/** The part of a task that clients see. */
export function liveOutcome(task: TaskView): LiveOutcome {
  const { uuid: id, name, state, args, kwargs, worker, result, exception, runtime, sentMs, finishedMs } = task
  return { id, name, state, args, kwargs, worker, result, exception, runtime, sentMs, finishedMs }
}

/** The part of a worker that clients see. */
export function liveWorker(worker: WorkerView, alive: boolean): LiveWorker {
  return { hostname: worker.hostname, alive, active: worker.active, processed: worker.processed }
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value, plain) ?? 'null')
}

function plain(_: string, value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString()
  return value instanceof Uint8Array ? Buffer.from(value).toString('base64') : value
}
