import * as tq from 'tq-runtime'

const app = new tq.Tq('proj')
export const add = app.task('math.add', () => 0)
export const sub = tq.sharedTask('math.sub', () => 0)
