export { app as queue } from './app.ts'
export * as all from './app.ts'
