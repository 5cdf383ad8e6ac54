import { app } from './app.ts'

export const add = app.task(function add() {})
