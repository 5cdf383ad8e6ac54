import { app } from './app.ts'
import { ONE } from './two.ts'
import { TWO } from './one.ts'

export const one = app.task(ONE, () => 0)
export const two = app.task(TWO, () => 0)
