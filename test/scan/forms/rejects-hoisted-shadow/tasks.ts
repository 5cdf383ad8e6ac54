import { app } from './app.ts'

export function run() {
  app.task('not.ours', () => {})
  if (Math.random() > 2) {
    var app = { task() {} }
  }
}
