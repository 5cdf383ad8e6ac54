import { PLUS, queue } from './index.ts'

export const plus = queue.task(PLUS, () => 1)
