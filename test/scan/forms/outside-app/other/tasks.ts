import { app } from '../src/app.ts'

export const add = app.task(function add(x: number) {
  return x
})
