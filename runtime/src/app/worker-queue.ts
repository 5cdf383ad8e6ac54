import { workerQueueNames } from '../wire/queue-names.ts'

/**
 * Name of the queue that one worker alone consumes, once its setting `workerDirect` is on: `add.applyAsync([2, 2], { queue:
 * workerQueue('w1@shop') })`. `hostname` is the worker's whole name as `tq status` shows it; a worker of Celery with `worker_direct`
 * has the same queue. A message for a worker that never comes stays there. Source: celery/utils/nodenames.py, worker_direct.
 */
export function workerQueue(hostname: string): string {
  return workerQueueNames(hostname).queue
}
