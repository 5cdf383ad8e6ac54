import { app } from '@app/queue'

export const add = app.task('math.add', () => 0)
