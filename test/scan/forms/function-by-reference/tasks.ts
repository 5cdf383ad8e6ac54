import { app } from './app.ts'
import { price } from './price.ts'

const double = (x: number): number => x * 2
export const priced = app.task('price', price)
export const doubled = app.task('double', double)
