import { app } from './app.ts'

const NAMES = ['first', 'second'] as const
export const second = app.task(NAMES[1], () => 0)
