import type { TqApp } from '../app/tq.ts'
import type { ResultBackend } from '../backends/result-backend.ts'
import { ConnectionError } from '../core/errors.ts'
import type { Execution } from '../run/execution.ts'
import type { Transport } from '../transports/transport.ts'

const pauseStepSeconds = 2
const longestPauseSeconds = 30

/**
 * Broker and result backend of a worker that starts. A server that cannot be reached is tried again as the settings
 * `brokerConnectionRetryOnStartup` and `brokerConnectionMaxRetries` say, until `signal` ends it; one that refuses us, or a file, is not.
 * Source: celery/worker/consumer/consumer.py, Consumer.ensure_connected (pauses of 2 s, 4 s, … 30 s).
 */
export async function reachServers(
  { connections, settings, clock, logger }: TqApp,
  signal: AbortSignal,
): Promise<[Transport, ResultBackend]> {
  const { brokerConnectionRetry, brokerConnectionMaxRetries: most } = settings
  const isPatient = !connections.embedded && (settings.brokerConnectionRetryOnStartup ?? brokerConnectionRetry)
  for (let tries = 1; ; tries++) {
    try {
      return await Promise.all([connections.consuming(), connections.backend()])
    } catch (error) {
      if (!isPatient || !(error instanceof ConnectionError) || (most > 0 && tries > most)) throw error
      const seconds = Math.min(longestPauseSeconds, tries * pauseStepSeconds)
      const count = most > 0 ? `${tries} of ${most}` : String(tries)
      logger.warn(`${error.message} Trying again in ${seconds} s (${count}).`)
      await clock.sleep(seconds * 1000, signal)
    }
  }
}

/** Ends a worker whose broker is lost, where the setting `brokerConnectionRetry` wants that. Returns how to stop listening. */
export function endWithBroker({ settings, logger }: TqApp, transport: Transport, end: () => void): () => void {
  if (settings.brokerConnectionRetry) return () => {}
  return transport.onState((state, cause) => {
    if (state !== 'lost') return
    logger.error(
      `The broker is lost, and brokerConnectionRetry is off: this worker ends. What it held is delivered again. ${cause?.message ?? ''}`,
    )
    end()
  })
}

/**
 * Ends what runs and is acknowledged late when the broker is lost, where the setting `workerCancelLongRunningTasksOnConnectionLoss` wants
 * that: the message is delivered again anyway. Nothing is stored. Returns how to stop listening.
 * Source: celery/worker/consumer/consumer.py, on_connection_error_after_connected.
 */
export function cancelWithBroker(
  { settings, logger }: TqApp,
  transport: Transport,
  active: () => Iterable<Execution>,
): () => void {
  if (!settings.workerCancelLongRunningTasksOnConnectionLoss) return () => {}
  return transport.onState((state) => {
    if (state !== 'lost') return
    for (const one of active()) {
      if (!one.acksLate || one.acknowledged || !one.run) continue
      logger.warn(`The broker is lost: ${one.message.task}[${one.message.id}] is ended here; it is delivered again.`)
      one.isAbandoned = true
      one.run.terminate('SIGTERM')
    }
  })
}
