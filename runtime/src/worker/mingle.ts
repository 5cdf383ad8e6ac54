import { uptime } from 'node:os'
import type { TqApp } from '../app/tq.ts'
import { dictToRevoked, revokedToDict } from '../wire/revoked-dict.ts'
import type { RevokedTasks } from './revoked.ts'

const patienceMs = 1000

/**
 * Exchanges revoked ids with the other workers, Python's among them. It goes on beside the start: what is revoked and comes back from the
 * queue in these milliseconds may run, as it may where no other worker is there to ask. Source: celery/worker/consumer/mingle.py.
 */
export async function mingle({ control, logger }: TqApp, hostname: string, revoked: RevokedTasks): Promise<void> {
  try {
    const told = revokedToDict(revoked.ids(), uptime())
    const heard = await control.hello(hostname, told, { timeoutMs: patienceMs })
    const names = Object.keys(heard)
    if (names.length === 0) return
    revoked.learn(Object.values(heard).flatMap((answer) => dictToRevoked(answer.revoked)))
    logger.info(`${hostname} has heard from ${names.join(', ')}.`)
  } catch (error) {
    logger.debug(`${hostname} could not ask the other workers for revoked tasks.`, { error })
  }
}

/** A broker without a list of its peers cannot refuse a second worker of the same name; its answer gives it away. */
export async function warnOfTwin({ control, logger }: TqApp, hostname: string): Promise<void> {
  try {
    if ((await control.countNamed(hostname, patienceMs)) < 2) return
    logger.warn(
      `Another worker is called ${hostname}, too: remote control and monitors take the two for one. Give one of them another name (-n).`,
    )
  } catch (error) {
    logger.debug(`Could not look for workers called ${hostname}.`, { error })
  }
}
