import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Where tq's own code is: this package, and tq-runtime beside it or in a project. */
export function foreignFolders(): readonly string[] {
  const own = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
  const folders = [`${own}/`, '/node_modules/tq-runtime/', '/node_modules/tq-tui/']
  try {
    folders.push(`${dirname(dirname(fileURLToPath(import.meta.resolve('tq-runtime/loader'))))}/`)
  } catch {
    // not installed: then it has no frames either
  }
  return folders
}

/** The folder itself, or the nearest above it with a package.json. */
export function nearestPackage(folder: string): string {
  for (let at = folder; ; at = dirname(at)) {
    if (existsSync(join(at, 'package.json'))) return at
    if (dirname(at) === at) return folder
  }
}
