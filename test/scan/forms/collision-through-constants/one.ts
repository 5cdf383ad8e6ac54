import { app } from './app.ts'
import { ADD } from './names.ts'

export const add = app.task(ADD, () => 0)
