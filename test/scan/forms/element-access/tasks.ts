import { app } from './app.ts'

export const add = app['task']('math.add', () => 0)
export const sub = app?.task('math.sub', () => 0)
