import { existsSync, statSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { StoreError } from '../core/errors.ts'
import { storeError } from './sqlite-errors.ts'
import { inspectFile } from './sqlite-care.ts'

/** What giving back free pages has brought. Of the file and its log together. */
export interface Shrunk {
  readonly path: string
  readonly bytesBefore: number
  readonly bytesAfter: number
}

const busyTimeoutMs = 5000

/**
 * Writes the database anew without its free pages: in use they are filled again, so it stays as large as it ever was. Others wait
 * meanwhile, some milliseconds for each megabyte, and it needs as much free disk again. Throws StoreError, `locked` where another process
 * does not let go of it.
 */
export function shrinkFile(path: string): Shrunk {
  if (!existsSync(path)) throw new StoreError('gone', `There is no database at ${path}, so nothing to make smaller.`)
  const { fault, problems } = inspectFile(path)
  if (fault) throw fault
  if (problems.length > 0) {
    throw new StoreError(
      'damaged',
      `${path} is not sound (${problems.join('; ')}). \`tq doctor\` tells what can be done.`,
    )
  }
  const bytesBefore = bytesOf(path)
  try {
    const db = new DatabaseSync(path, { timeout: busyTimeoutMs })
    try {
      db.exec('vacuum')
      // Until its log is moved into it, the file is as large as before.
      db.exec('pragma wal_checkpoint(truncate)')
    } finally {
      db.close()
    }
  } catch (error) {
    throw storeError(error, path)
  }
  return { path, bytesBefore, bytesAfter: bytesOf(path) }
}

function bytesOf(path: string): number {
  const size = (file: string): number => statSync(file, { throwIfNoEntry: false })?.size ?? 0
  return size(path) + size(`${path}-wal`)
}
