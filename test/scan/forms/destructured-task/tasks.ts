import { app } from './app.ts'

const { task, task: define } = app
export const add = task('math.add', () => 0)
export const sub = define('math.sub', () => 0)
