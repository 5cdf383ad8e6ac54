import { app } from '@own/queue'

export const add = app.task('math.add', () => 0)
