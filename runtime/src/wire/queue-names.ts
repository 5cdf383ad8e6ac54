/**
 * Name of the queue that one worker has for itself on a broadcast exchange.
 * Source: kombu/common.py, Broadcast.
 */
export function broadcastQueueName(id: string): string {
  return `${broadcastStart}${id}`
}

/** Whether a name is one that `broadcastQueueName` makes. */
export function isBroadcastQueueName(name: string): boolean {
  return name.startsWith(broadcastStart)
}

const broadcastStart = 'bcast.'

/**
 * Queue, exchange and routing key by which a task is sent to one worker.
 * Source: celery/utils/nodenames.py, worker_direct.
 */
export function workerQueueNames(hostname: string): {
  readonly queue: string
  readonly exchange: string
  readonly routingKey: string
} {
  return { queue: `${hostname}${workerQueueEnd}`, exchange: 'C.dq2', routingKey: hostname }
}

/** The node name in the name of such a queue, undefined for any other name. */
export function workerOfQueue(queue: string): string | undefined {
  return queue.endsWith(workerQueueEnd) ? queue.slice(0, -workerQueueEnd.length) : undefined
}

const workerQueueEnd = '.dq2'

/** Arguments of a queue by which RabbitMQ knows its type and its priorities. */
export const queueTypeArgument = 'x-queue-type'
export const maxPriorityArgument = 'x-max-priority'

/**
 * What a queue's options become as arguments of its declaration; seconds become milliseconds.
 * Source: kombu/transport/base.py, to_rabbitmq_queue_arguments.
 */
export function queueArguments(options: {
  readonly expiresSeconds?: number | undefined
  readonly messageTtlSeconds?: number | undefined
  readonly maxLength?: number | undefined
  readonly maxLengthBytes?: number | undefined
  readonly maxPriority?: number | undefined
  readonly queueType?: string | undefined
}): Record<string, unknown> {
  const { expiresSeconds, messageTtlSeconds, maxLength, maxLengthBytes, maxPriority, queueType } = options
  const given: readonly (readonly [string, unknown])[] = [
    ['x-expires', expiresSeconds === undefined ? undefined : Math.trunc(expiresSeconds * 1000)],
    ['x-message-ttl', messageTtlSeconds === undefined ? undefined : Math.trunc(messageTtlSeconds * 1000)],
    ['x-max-length', maxLength],
    ['x-max-length-bytes', maxLengthBytes],
    [maxPriorityArgument, maxPriority],
    // Classic is what a broker makes of a queue that says nothing, and Python says nothing of it.
    [queueTypeArgument, queueType === 'classic' ? undefined : queueType],
  ]
  return Object.fromEntries(given.filter(([, value]) => value !== undefined))
}
