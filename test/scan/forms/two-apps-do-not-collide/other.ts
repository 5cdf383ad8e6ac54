import { Tq } from 'tq-runtime'

export const other = new Tq('other')
export const add = other.task('math.add', () => 0)
