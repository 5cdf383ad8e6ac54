import { app } from '../app.ts'

/** Adds two numbers. */
export const add = app.task('math.add', (x: number, y: number): number => x + y)

/** Multiplies two numbers. */
export const mul = app.task('math.mul', (x: number, y: number): number => x * y)

/** Sums a list of numbers. */
export const xsum = app.task('math.xsum', (numbers: number[]): number => numbers.reduce((sum, n) => sum + n, 0))
