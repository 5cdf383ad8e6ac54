import { threadId } from 'node:worker_threads'
import { requestOf, type TaskRequest } from '../app/request.ts'
import type { TaskSignal } from '../app/signals.ts'
import type { TqApp } from '../app/tq.ts'
import { TimeLimitExceeded, WorkerLostError } from '../core/errors.ts'
import type { Message } from '../core/message.ts'
import type { Failure, Outcome } from '../core/outcome.ts'
import type { Delivery, DeliveryInfo } from '../transports/transport.ts'

/** Where a worker's signals about tasks come from. */
export interface Announcing {
  readonly app: TqApp
  readonly hostname: string
  readonly pool: { readonly name: string }
}

/** A call that the worker holds. */
export interface Held {
  readonly message: Message
  readonly delivery: Pick<Delivery, 'info'>
}

/** `taskReceived`: what listens is awaited before the task starts. */
export function announceReceived(from: Announcing, held: Held): Promise<void> | undefined {
  return from.app.signals.emit('taskReceived', () => taskSignal(from, held))
}

/**
 * What only the worker knows of a settled task: that it was revoked, or that its run was killed. Whatever a run itself ended with was told
 * where it ran. Source: celery/worker/request.py, on_failure, _announce_revoked; of a time limit Celery tells nobody.
 */
export function announceSettled(from: Announcing, held: Held, outcome: Outcome): Promise<void> | undefined {
  const { signals } = from.app
  switch (outcome.kind) {
    case 'revoked':
      return signals.emit('taskRevoked', () => ({
        ...taskSignal(from, held),
        terminated: outcome.reason === 'terminated',
        signum: outcome.signal,
        expired: outcome.reason === 'expired',
      }))
    case 'timeout':
    case 'workerLost': {
      const { traceback } = outcome.failure
      const exception = outcome.kind === 'timeout' ? new TimeLimitExceeded(outcome.limitSeconds) : lost(outcome.failure)
      return signals.emit('taskFailure', () => ({ ...taskSignal(from, held), task: undefined, exception, traceback }))
    }
    case 'success':
    case 'retry':
    case 'failure':
    case 'ignore':
    case 'reject':
      return undefined
  }
}

/** `taskInternalError`: the task could not be settled. */
export function announceInternalError(from: Announcing, held: Held, exception: unknown): Promise<void> | undefined {
  return from.app.signals.emit('taskInternalError', () => ({ ...taskSignal(from, held), exception }))
}

/** `taskRejected`: a message that cannot be read. */
export function announceRejected(
  { app, hostname }: Announcing,
  { raw }: Pick<Delivery, 'raw'>,
  exception: unknown,
): Promise<void> | undefined {
  return app.signals.emit('taskRejected', () => ({ sender: hostname, message: raw, exception }))
}

/** `taskUnknown`: nobody has registered the task. */
export function announceUnknown({ app, hostname }: Announcing, message: Message): Promise<void> | undefined {
  const { task: name, id: taskId } = message
  return app.signals.emit('taskUnknown', () => ({ sender: hostname, name, taskId, message }))
}

/** `workerProcessInit`, in every process or thread that runs tasks. */
export function announceProcess(app: TqApp, hostname: string): Promise<void> | undefined {
  return app.signals.emit('workerProcessInit', () => ({ sender: hostname, pid: process.pid, threadId }))
}

/** `workerProcessShutdown`. */
export function announceProcessEnd(app: TqApp, hostname: string): Promise<void> | undefined {
  return app.signals.emit('workerProcessShutdown', () => ({
    sender: hostname,
    pid: process.pid,
    threadId,
    exitcode: 0,
  }))
}

function lost({ stored, text }: Failure): WorkerLostError {
  const [said] = stored.message
  return new WorkerLostError(typeof said === 'string' ? said : text)
}

function taskSignal(from: Announcing, { message, delivery }: Held): TaskSignal {
  const { task: sender, id: taskId, args, kwargs } = message
  return { sender, taskId, args, kwargs, request: receivedRequest(from, message, delivery.info) }
}

function receivedRequest(
  { app, hostname, pool }: Announcing,
  message: Message,
  deliveryInfo: DeliveryInfo,
): TaskRequest {
  return requestOf({
    app,
    message,
    deliveryInfo,
    hostname,
    isEager: pool.name === 'eager',
    calledDirectly: false,
    children: [],
  })
}
