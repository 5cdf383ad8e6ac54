import { app } from './app.ts'

export const all = app.task(
  'all',
  async <T,>(
    { a, b }: { a: number; b: string },
    [first]: string[],
    n = 3,
    on = true,
    name = 'x',
    list: Map<string, T> = new Map(),
    opt?: T,
    ...rest: readonly string[]
  ): Promise<T | undefined> => opt,
)
