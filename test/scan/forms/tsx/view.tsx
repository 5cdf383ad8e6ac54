import { app } from './app.ts'

export const render = app.task('view.render', (name: string) => <b>{name}</b>)
