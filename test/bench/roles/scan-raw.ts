import { closeSync, globSync, openSync, readSync } from 'node:fs'
import { createRequire, enableCompileCache } from 'node:module'
import { join } from 'node:path'
import type * as tsMorph from 'ts-morph'
import { FileReader } from '../../../runtime/src/scan/prefilter.ts'
import { serve } from '../role.ts'

// What a scan cannot do without: to read every file, and to parse those that may hold a task.

enableCompileCache()

let files: readonly string[] = []

serve({
  list: (folder: string) => {
    files = globSync('packages/**/*.{ts,tsx}', { cwd: folder }).map((file) => join(folder, file))
  },
  /** CPU in ms to read all of them into one buffer. */
  read: () => {
    const begin = process.cpuUsage()
    const buffer = Buffer.allocUnsafe(1 << 20)
    for (const file of files) {
      const handle = openSync(file, 'r')
      readSync(handle, buffer, 0, buffer.length, null)
      closeSync(handle)
    }
    return sinceMs(begin)
  },
  /** CPU in ms to load the TypeScript of ts-morph and to parse the files that hold a mark of a task. */
  parse: () => {
    const reader = new FileReader()
    const hits = files.flatMap((file) => {
      const read = reader.read(file, {})
      return read.kind === 'text' ? [{ file, text: read.text }] : []
    })
    const begin = process.cpuUsage()
    const { ts } = createRequire(import.meta.url)('ts-morph') as typeof tsMorph // a module's shape is its package's word
    for (const { file, text } of hits) ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true)
    return { ms: sinceMs(begin), hits: hits.length }
  },
})

function sinceMs(begin: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(begin)
  return (user + system) / 1000
}
