import { define } from './define.ts'

export const add = define('math.add', (x: number) => x)
