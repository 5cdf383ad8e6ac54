import { app } from './app.ts'

const queue = app
const { app: third } = { app }
export const add = queue.task('math.add', () => 0)
export const sub = third.task('math.sub', () => 0)
