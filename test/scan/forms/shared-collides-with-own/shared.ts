import { sharedTask } from 'tq-runtime'

export const add = sharedTask('math.add', () => 0)
