export { ADD as PLUS } from './names.ts'
export { app as queue } from './app.ts'
