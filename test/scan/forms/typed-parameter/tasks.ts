import type { Tq } from 'tq-runtime'

export function register(app: Tq) {
  return app.task('math.add', (x: number) => x)
}
