import { createHash } from 'node:crypto'
import { app } from '../app.ts'

/** Fetches an image; gives the id it is kept under. */
export const fetch = app.task('img.fetch', (url: string): string => {
  if (!URL.canParse(url)) throw new TypeError(`not a URL: ${url}`)
  return createHash('sha256').update(url).digest('hex').slice(0, 12)
})

/** Makes a copy of the given width in pixels. */
export const resize = app.task('img.resize', (id: string, width: number): string => `${id}@${width}`)

/** Publishes copies; gives the page that shows them. */
export const publish = app.task(
  'img.publish',
  (ids: string[]): string => `/gallery?${ids.map((id) => `i=${id}`).join('&')}`,
)
