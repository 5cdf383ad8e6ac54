import { app } from '../app.ts'

/** The report of one day, `2026-01-31`. */
export const daily = app.task('reports.daily', (day: string): string => `report of ${day}`)

/** Exports rows and tells how far it is. */
export const exportRows = app.task('reports.export', { bind: true }, async (self, rows: number): Promise<string> => {
  const step = Math.max(1, Math.ceil(rows / 4))
  for (let done = step; done < rows; done += step) {
    await self.updateState({ state: 'PROGRESS', meta: { done, total: rows } })
  }
  return `${rows} rows`
})

/** Takes its time; stops at once at its soft limit of a minute, and when it is terminated. */
export const slow = app.task(
  'reports.slow',
  { bind: true, softTimeLimit: 60 },
  async (self, seconds: number): Promise<string> => {
    await self.sleep(seconds * 1000)
    return `slept ${seconds} s`
  },
)
