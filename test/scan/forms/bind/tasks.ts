import { app } from './app.ts'

export const flaky = app.task('orders.flaky', { bind: true, maxRetries: 3 }, (self, n: number): number => n)
