import { app as queue } from './app.ts'

export const add = queue.task('math.add', () => 0)
