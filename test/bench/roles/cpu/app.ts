import { Tq } from 'tq-runtime'
import { compute } from './compute.ts'

/** Loaded by the worker and by each child of its pool. */
export const app = new Tq('bench', { taskAcksLate: true, workerEnableRemoteControl: false, taskSendSentEvent: false })

export const spin = app.task('bench.spin', compute)
