import { ConnectionError, OperationalError } from '../core/errors.ts'
import type { RetryPolicy } from '../core/setting-values.ts'
import { isBroadcastQueueName } from '../wire/queue-names.ts'
import { afterPublish, beforePublish } from './publish-signals.ts'
import type { Prepared } from './send.ts'
import type { TqApp } from './tq.ts'

/** How publishing is tried again, for one call. */
export interface PublishOptions {
  /** False: one try, whatever the setting says. */
  readonly retry?: boolean | undefined
  /** Laid over the setting `taskPublishRetryPolicy`. */
  readonly retryPolicy?: Partial<RetryPolicy> | undefined
}

/** Messages that go to the broker in one write: its answer bounds what a lost connection can leave unknown. */
const batchSize = 1000

/**
 * Publishes with the retry policy; resolves when the broker has all of it. Rejects with OperationalError once the policy is used
 * up: what was not sent by then never is. A try whose answer was lost may have sent its messages, so that the next one sends them
 * twice, under the same ids. Source: kombu/connection.py, Connection.ensure; celery/app/defaults.py, task.publish_retry_policy.
 */
export async function publish(app: TqApp, prepared: readonly Prepared[], options: PublishOptions = {}): Promise<void> {
  const telling = beforePublish(app, prepared)
  if (telling) await telling
  if (prepared.length > batchSize) await publishInBatches(app, prepared, options)
  else await insist(app, options, { sent: 0, all: prepared.length }, prepared)
  const told = afterPublish(app, prepared)
  if (told) await told
}

async function publishInBatches(app: TqApp, prepared: readonly Prepared[], options: PublishOptions): Promise<void> {
  for (let sent = 0; sent < prepared.length; sent += batchSize) {
    await insist(app, options, { sent, all: prepared.length }, prepared.slice(sent, sent + batchSize))
  }
}

async function insist(
  app: TqApp,
  options: PublishOptions,
  progress: Progress,
  batch: readonly Prepared[],
): Promise<void> {
  const policy = { ...app.settings.taskPublishRetryPolicy, ...options.retryPolicy }
  const retry = options.retry ?? app.settings.taskPublishRetry
  const mostRetries = policy.maxRetries ?? Infinity
  for (let tries = 0; ; tries++) {
    try {
      await publishOnce(app, batch)
      return
    } catch (error) {
      if (!(error instanceof Error && isWorthRetrying(error, policy))) throw error
      if (!retry || tries >= mostRetries) throw unsent(app, tries + 1, progress, error)
      const pauseMs = Math.round(
        Math.min(policy.intervalStart + policy.intervalStep * tries, policy.intervalMax) * 1000,
      )
      app.logger.warn(`Cannot reach the broker ${app.brokerName()}: ${error.message} Trying again in ${pauseMs} ms.`)
      await app.clock.sleep(pauseMs)
    }
  }
}

async function publishOnce(app: TqApp, batch: readonly Prepared[]): Promise<void> {
  const wanted = batch.filter(({ message }) => !message.ignoreResult).map(({ message }) => message.id)
  if (wanted.length > 0) await (await app.connections.backend()).prepare(wanted, app.replyTo)
  const transport = await app.connections.transport()
  let last: string | undefined
  for (const { route } of batch) {
    const { queue } = route
    // A retry to a worker's own queue is not declared: that worker did it, and with it the queue is gone.
    if (queue === last || isBroadcastQueueName(queue)) continue
    last = queue
    if (!app.connections.isDeclared(queue)) await app.connections.declareOnce(queue, app.router.queues.topology(queue))
  }
  await transport.publish(
    batch.map(({ message, raw, route: { exchange, routingKey } }) => ({
      exchange,
      routingKey,
      message: raw,
      dueMs: message.etaMs,
    })),
  )
}

function isWorthRetrying(error: Error, { retryErrors = [] }: RetryPolicy): boolean {
  if (error instanceof ConnectionError) return true
  return retryErrors.some((one) =>
    typeof one === 'string' ? 'code' in error && error.code === one : error instanceof one,
  )
}

interface Progress {
  readonly sent: number
  readonly all: number
}

function unsent(app: TqApp, tries: number, { sent, all }: Progress, cause: Error): OperationalError {
  const what =
    all === 1
      ? 'the task was not sent'
      : `${all - sent} of ${all} tasks were not sent${sent === 0 ? '' : `, the first ${sent} were`}`
  return new OperationalError(
    `Could not send to the broker ${app.brokerName()} after ${tries} ${tries === 1 ? 'try' : 'tries'}; ${what}. ` +
      `${cause.message}${app.connections.embedded ? '' : ' Is the server running, and is the URL right (setting brokerUrl, TQ_BROKER_URL)?'}`,
    { cause },
  )
}
