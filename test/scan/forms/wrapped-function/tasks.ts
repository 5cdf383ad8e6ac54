import { app } from './app.ts'
import { memoize } from 'elsewhere'

export const add = app.task(memoize((x: number) => x))
export const sub = app.task('math.sub', memoize((x: number) => x))
