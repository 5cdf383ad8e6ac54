import { sharedTask, sharedTask as shared } from 'tq-runtime'

export const add = sharedTask('math.add', (x: number, y: number) => x + y)
export const sub = shared('math.sub', { queue: 'math' }, (x: number) => -x)
