import { app } from '#queue'
import { ADD } from '#lib/names'

export const add = app.task(ADD, () => 0)
