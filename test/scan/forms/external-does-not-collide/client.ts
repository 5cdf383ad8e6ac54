import { app } from './app.ts'
import type { add } from './tasks.ts'

export const remote = app.external<typeof add>('math.add')
remote.delay()
