import { Tq } from 'tq-runtime'

/** Late acknowledgement: a task whose worker dies is run again by another one, so every task here may run twice. */
export const app = new Tq('shop', { include: ['./tasks/**/*.ts'], taskAcksLate: true })
