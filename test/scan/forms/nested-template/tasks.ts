import { app } from './app.ts'

const A = 'a'
const B = `${A}.b`
export const t = app.task(`${`${B}.c`}.d`, () => 1)
