import { app } from './app.ts'

const BASE = { send: 'base.send', drop: 'base.drop' }
const NAMES = { ...BASE, send: 'mail.send' }
export const send = app.task(NAMES.send, () => 0)
export const drop = app.task(NAMES.drop, () => 0)
