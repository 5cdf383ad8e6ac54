import { app } from './app.ts'

const PREFIX = 'mail'
const VERSION = 2
export const send = app.task(`${PREFIX}.v${VERSION}.send`, (to: string) => to)
