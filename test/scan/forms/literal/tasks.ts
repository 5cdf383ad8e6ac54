import { app } from './app.ts'

/** Adds two numbers. */
export const add = app.task('math.add', (x: number, y: number): number => x + y)
