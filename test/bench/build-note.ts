import { existsSync, globSync, statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** What a heading has to say about the build of a package: nothing where it is as new as the source. */
export function buildNote(name: 'runtime' | 'tui'): string {
  const folder = new URL(`../../${name}/`, import.meta.url)
  if (!existsSync(new URL('dist', folder))) return ' (missing: npm run build)'
  const newest = (pattern: string): number =>
    Math.max(
      ...globSync(pattern, { cwd: fileURLToPath(folder) }).map((file) => statSync(new URL(file, folder)).mtimeMs),
    )
  return newest('src/**/*.{ts,tsx}') > newest('dist/**/*.js') ? ' (OLDER than the source: npm run build)' : ''
}
