import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { onTestFinished } from 'vitest'
import { Scanner, type ScannerOptions } from '../../runtime/src/scan/index.ts'

/** A folder of files that is gone when the test ends. */
export interface Folder {
  readonly path: string
  write(file: string, text: string): void
  remove(file: string): void
  /** Without a cache, unless the options name one. */
  scan(options?: ScannerOptions): Promise<Scanner>
}

export const appText = "import { Tq } from 'tq-runtime'\n\nexport const app = new Tq('proj')\n"

export function folderOf(files: Readonly<Record<string, string>>): Folder {
  const path = realpathSync(mkdtempSync(join(tmpdir(), 'tq-scan-')))
  onTestFinished(() => rmSync(path, { recursive: true, force: true }))
  const write = (file: string, text: string): void => {
    mkdirSync(dirname(join(path, file)), { recursive: true })
    writeFileSync(join(path, file), text)
  }
  for (const [file, text] of Object.entries(files)) write(file, text)
  return {
    path,
    write,
    remove: (file) => rmSync(join(path, file), { recursive: true }),
    scan: (options) => Scanner.open(path, { cacheFile: null, ...options }),
  }
}

/** A module with one task of that name. */
export function taskText(name: string, binding = 'task'): string {
  return `import { app } from './app.ts'\n\nexport const ${binding} = app.task('${name}', (x: number) => x)\n`
}
