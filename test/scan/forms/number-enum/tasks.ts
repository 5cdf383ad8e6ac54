import { app } from './app.ts'

enum Version { One = 1, Two }
export const send = app.task(`send.v${Version.Two}`, () => 0)
