import type { LogLevel } from '../core/logger.ts'
import type { Message, MessageProperties } from '../core/message.ts'
import type { SignatureData } from '../core/signature.ts'
import type { ResultRef } from '../core/states.ts'
import type { DeliveryInfo } from '../transports/transport.ts'
import { stepsOf } from '../wire/chain-tail.ts'
import { customHeaders } from './unique.ts'

/**
 * What a task can see of its own call: Celery's fields, in camelCase. Times are Dates, ids that are missing undefined.
 * Source: celery/app/task.py, Context.
 */
export interface TaskRequest {
  readonly id: string
  readonly task: string
  readonly args: readonly unknown[]
  readonly kwargs: Readonly<Record<string, unknown>>
  /** How often the task was retried before: 0 in the first run. */
  readonly retries: number
  readonly isEager: boolean
  /** True for `add(2, 2)`: nobody sent anything. */
  readonly calledDirectly: boolean
  readonly hostname: string
  readonly deliveryInfo: DeliveryInfo
  readonly rootId: string
  readonly parentId: string | undefined
  /** Celery's name of `groupId`. */
  readonly group: string | undefined
  readonly groupId: string | undefined
  readonly groupIndex: number | undefined
  /** Body of the chord that the task is a header part of. */
  readonly chord: SignatureData | undefined
  /** What is left of the chain, the next step first (Celery's list is the other way round). */
  readonly chain: readonly SignatureData[]
  readonly callbacks: readonly SignatureData[]
  readonly errbacks: readonly SignatureData[]
  readonly eta: Date | undefined
  readonly expires: Date | undefined
  /** Seconds, as the call said them; Celery's pair of the two is `[timeLimit, softTimeLimit]`. */
  readonly timeLimit: number | undefined
  readonly softTimeLimit: number | undefined
  readonly replyTo: string
  readonly correlationId: string
  /** The process that sent it. */
  readonly origin: string
  /** Always true: times in messages say their zone. */
  readonly utc: true
  /** Where the worker logs; undefined is stderr. */
  readonly logfile: string | undefined
  readonly loglevel: LogLevel
  readonly ignoreResult: boolean
  /** Display name in events and logs. */
  readonly shadow: string | undefined
  readonly stamps: Readonly<Record<string, unknown>>
  readonly stampedHeaders: readonly string[]
  readonly replacedTaskNesting: number
  /** Custom headers of the message. */
  readonly headers: Readonly<Record<string, unknown>>
  /** What it has sent so far. */
  readonly children: readonly ResultRef[]
  readonly properties: MessageProperties
}

/** What a request is made of: that of a running task, or of one that a worker has only received. */
export interface RequestSource {
  readonly message: Message
  readonly deliveryInfo: DeliveryInfo
  readonly hostname: string
  readonly isEager: boolean
  readonly calledDirectly: boolean
  readonly children: readonly ResultRef[]
  readonly app: { readonly logLevel: LogLevel; readonly logFile: string | undefined }
}

/** The request of a call. */
export function requestOf(source: RequestSource): TaskRequest {
  const { message, app } = source
  const { softSeconds, hardSeconds } = message.limits
  return {
    id: message.id,
    task: message.task,
    args: message.args,
    kwargs: message.kwargs,
    retries: message.retries,
    isEager: source.isEager,
    calledDirectly: source.calledDirectly,
    hostname: source.hostname,
    deliveryInfo: source.deliveryInfo,
    rootId: message.rootId,
    parentId: message.parentId,
    group: message.groupId,
    groupId: message.groupId,
    groupIndex: message.groupIndex,
    chord: message.chord,
    // Of a long chain the steps are read only when somebody looks.
    get chain() {
      return stepsOf(message.chain)
    },
    callbacks: message.callbacks,
    errbacks: message.errbacks,
    eta: message.etaMs === undefined ? undefined : new Date(message.etaMs),
    expires: message.expiresMs === undefined ? undefined : new Date(message.expiresMs),
    timeLimit: hardSeconds,
    softTimeLimit: softSeconds,
    replyTo: message.replyTo,
    correlationId: message.properties.correlationId,
    origin: message.origin,
    utc: true,
    logfile: app.logFile,
    loglevel: app.logLevel,
    ignoreResult: message.ignoreResult,
    shadow: message.shadow,
    stamps: message.stamps,
    stampedHeaders: message.stampedHeaders,
    replacedTaskNesting: message.replacedTaskNesting,
    headers: customHeaders(message),
    children: source.children,
    properties: message.properties,
  }
}
