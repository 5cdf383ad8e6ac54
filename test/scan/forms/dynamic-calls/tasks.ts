import { app } from './app.ts'
import type { Task } from 'tq-runtime'

export const run = (task: Task<[number], number>, name: string) => {
  task.delay(1)
  app.sendTask(name, [1])
}
