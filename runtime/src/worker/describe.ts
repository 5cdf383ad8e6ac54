import type { Clock } from '../core/clock.ts'
import type { Execution } from '../run/execution.ts'
import { argsRepr, kwargsRepr } from '../wire/python-text.ts'
import type { WorkerParts } from './worker-parts.ts'

/** What a worker does at this moment, for a person who asks it with SIGUSR1. Source: celery/utils/debug.py, cry. */
export function describeWorker(hostname: string, { executor, consumer, pool }: WorkerParts, clock: Clock): string {
  const all = [...executor.active.values()]
  const megabytes = Math.round(process.memoryUsage.rss() / 2 ** 20)
  const head = `${hostname} (pid ${process.pid}, ${megabytes} MB): ${pool.busy} of ${pool.capacity} slots of the pool ${pool.name} are busy, ${consumer.reserved().length} messages wait behind them.`
  return [head, ...all.map((one) => `  ${lineOf(one, clock)}`)].join('\n')
}

function lineOf({ message, startedMonotonic, startedAtMs, acksLate, acknowledged }: Execution, clock: Clock): string {
  const args = message.argsRepr ?? argsRepr(message.args)
  const kwargs = message.kwargsRepr ?? kwargsRepr(message.kwargs)
  const since =
    startedAtMs === undefined ? 'not started' : `for ${((clock.monotonic() - startedMonotonic) / 1000).toFixed(1)} s`
  const held = acknowledged ? 'acknowledged' : acksLate ? 'acknowledged when it ends' : 'not acknowledged yet'
  return `${message.task}[${message.id}] ${since}, args ${args}, kwargs ${kwargs}, retries ${message.retries}, ${held}`
}
