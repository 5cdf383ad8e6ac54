import { delay } from 'elsewhere'

const queue = { delay: (ms: number) => ms }
queue.delay(5)
delay(5)
export const s = { s: (x: number) => x }
s.s(1)
