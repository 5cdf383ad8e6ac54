import * as own from './app.ts'

export const add = own.app.task('math.add', () => 0)
