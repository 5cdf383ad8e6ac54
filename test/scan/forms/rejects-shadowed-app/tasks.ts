import { app } from './app.ts'
import { other } from 'elsewhere'

export function run(app: { task(name: string, fn: () => void): void }) {
  app.task('not.ours', () => {})
}
export function again() {
  const app = other()
  app.task('nor.this', () => {})
}
for (const app of other()) app.task('nor.that', () => {})
try {
  run(app)
} catch (app) {
  app.task('nor.the.last', () => {})
}
