import { app } from './app.ts'

const add = app.task('math.add', () => 0)
add.delay()
