import { all, queue } from './barrel.ts'

export const add = queue.task('math.add', () => 0)
export const sub = all.app.task('math.sub', () => 0)
