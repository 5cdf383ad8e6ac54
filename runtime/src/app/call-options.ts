import type { ExchangeKind } from '../core/routing.ts'
import type { Stamps } from '../core/stamps.ts'
import type { AnySignature } from './canvas.ts'
import type { PublishOptions } from './publish.ts'

/**
 * Options of one call. Seconds where the name is Celery's. Celery's `producer`, `connection`, `declare` and `result_cls` are
 * objects of Python and have no place here; `add_to_parent` is the task option `trail`'s counterpart, `addToParent`.
 */
export interface CallOptions extends PublishOptions {
  readonly kwargs?: Readonly<Record<string, unknown>> | undefined
  /** Any text; default a UUID of version 7. */
  readonly taskId?: string | undefined
  /** Seconds until it may run. */
  readonly countdown?: number | undefined
  readonly eta?: Date | undefined
  /** Seconds from now, or a point in time: after it the task is revoked instead of run. */
  readonly expires?: number | Date | undefined
  readonly queue?: string | undefined
  /** Together with `routingKey`: published there instead of to the queue. */
  readonly exchange?: string | undefined
  /** Default that of the queue's exchange. */
  readonly exchangeType?: ExchangeKind | undefined
  /** On a topic exchange also alone: the queue's exchange, with this key. */
  readonly routingKey?: string | undefined
  /**
   * 0 to 255. On Redis, SQLite and in memory 0 goes first (Redis keeps four steps apart, 0, 3, 6 and 9); on RabbitMQ the highest
   * goes first, of queues with a `maxPriority`.
   */
  readonly priority?: number | undefined
  /** Default the task's, then the setting `taskSerializer`. */
  readonly serializer?: string | undefined
  /** Default the task's, then the setting `taskCompression`; `none` is none. */
  readonly compression?: string | undefined
  /** Custom headers; the task reads them in `self.request.headers`. */
  readonly headers?: Readonly<Record<string, unknown>> | undefined
  /** Sent with the result when the task succeeds. */
  readonly link?: HasData | readonly HasData[] | undefined
  /** Sent with the task's id when it fails. */
  readonly linkError?: HasData | readonly HasData[] | undefined
  /** Labels that the task, monitors and extended results see, and by which calls are revoked. Those of a signature stay. */
  readonly stamps?: Stamps | undefined
  /** Display name in events. */
  readonly shadow?: string | undefined
  readonly ignoreResult?: boolean | undefined
  readonly softTimeLimit?: number | undefined
  /** Seconds. Travels with the message; Celery's workers end a run by it, the `async` pool here cannot. */
  readonly timeLimit?: number | undefined
  /** Stand for the arguments in events and logs. */
  readonly argsRepr?: string | undefined
  readonly kwargsRepr?: string | undefined
  readonly rootId?: string | undefined
  readonly parentId?: string | undefined
  readonly replyTo?: string | undefined
  /** False keeps the call out of the children of the task that sends it. Default true. */
  readonly addToParent?: boolean | undefined
  /** RabbitMQ: `transient` messages do not survive a restart of the broker. Default the setting `taskDefaultDeliveryMode`. */
  readonly deliveryMode?: 'persistent' | 'transient' | undefined
  /** RabbitMQ: drops the message when it has waited in the queue for so many seconds, unseen by any worker. Default until `expires`. */
  readonly expiration?: number | undefined
  /** Properties of the message for other programs; the task finds them in `self.request.properties`. */
  readonly messageId?: string | undefined
  /** RabbitMQ refuses a message whose user is not the one of the connection. */
  readonly userId?: string | undefined
  readonly appId?: string | undefined
  readonly timestamp?: Date | undefined
  /** Routes the call as if the task were called so. */
  readonly routeName?: string | undefined
  /**
   * Sends the call when this transaction commits, and not at all when it does not. Arguments are encoded and a countdown begins at once; the result can
   * be awaited at once. This is no outbox: a process that dies between the commit and the sending sends nothing.
   * Source of the idea: celery/contrib/django/task.py, DjangoTask.delay_on_commit (5.4).
   */
  readonly afterCommit?: CommitHook | undefined
}

/**
 * A transaction that calls back: `{ onCommit: (fn) => knexTransaction.executionPromise.then(fn) }`, or whatever the database's
 * client offers. `fn` resolves when the broker has the message and rejects with OperationalError, for who awaits it; who does not
 * still finds the failure in the log.
 */
export interface CommitHook {
  onCommit(fn: () => Promise<void>): unknown
}

/** What a signature is as data. */
export type HasData = Pick<AnySignature, 'data'>
