import { app } from './app.ts'

const nameOf = (part: string) => `made.${part}`
export const one = app.task(nameOf('one'), () => 0)
export const two = app.task(['a', 'b'].join('.'), () => 0)
export const three = app.task(process.env.TASK ?? 'd', () => 0)
for (const part of ['x', 'y']) app.task(`loop.${part}`, () => 0)
