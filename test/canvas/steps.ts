import type { Tq } from '../../runtime/src/index.ts'
import { total } from './oracle.ts'

/** The tasks that random canvases are made of: each takes what ran before, if anything, in front of its own argument. */
export function defineSteps(app: Tq): void {
  app.task('c.add', (...args: unknown[]): unknown => [args.at(-1), total(args.length > 1 ? args[0] : null)])
  app.task('c.wrap', async (...args: unknown[]): Promise<unknown> => ({ got: args[0] ?? null }))
  app.task('c.fixed', (n: number): number => n)
}
