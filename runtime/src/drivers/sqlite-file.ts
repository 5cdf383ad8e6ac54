import { closeSync, mkdirSync, openSync, realpathSync, statfsSync, statSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { StoreError } from '../core/errors.ts'
import { storeError } from './sqlite-errors.ts'

/**
 * Makes the file when it is missing and returns its real path. An existing one is never opened here: closing any descriptor
 * of a database drops all POSIX locks that SQLite holds on it in this process.
 */
export function createDatabaseFile(path: string, options: { readonly createFolder: boolean }): string {
  const folder = dirname(path)
  try {
    if (options.createFolder) createPrivateFolder(folder)
    const real = join(realpathSync(folder), basename(path))
    refuseNetworkFolder(real)
    createNew(real)
    return real
  } catch (error) {
    throw storeError(error, path)
  }
}

/** Device and inode of the file, or undefined when there is none: tells whether a path still names the file it did. */
export function fileIdentity(path: string): string | undefined {
  const stat = statSync(path, { throwIfNoEntry: false })
  return stat && `${stat.dev}:${stat.ino}`
}

/** What the disk of the file has left for this user. */
export function freeBytes(path: string): number {
  const { bavail, bsize } = statfsSync(dirname(path))
  return bavail * bsize
}

/** Name of the network or user-space file system with this `statfs` type, where WAL's shared memory is not safe. */
export function unsafeFileSystem(type: number): string | undefined {
  // Types come signed from some kernels. Source: linux/magic.h.
  return unsafeTypes.get(type >>> 0)
}

const unsafeTypes: ReadonlyMap<number, string> = new Map([
  [0x6969, 'NFS'],
  [0x517b, 'SMB'],
  [0xff534d42, 'CIFS'],
  [0xfe534d42, 'SMB'],
  [0x01021997, '9p'],
  [0x65735546, 'FUSE'],
  [0x5346414f, 'AFS'],
  [0x00c36400, 'Ceph'],
  [0x0bd00bd0, 'Lustre'],
])

function refuseNetworkFolder(path: string): void {
  if (process.platform !== 'linux') return
  const kind = unsafeFileSystem(statfsSync(dirname(path)).type)
  if (kind === undefined) return
  throw new StoreError(
    'read-only',
    `${path} is on a ${kind} file system, where several processes cannot share a SQLite database safely. Set TQ_DB to a path on a local disk, or configure a broker.`,
  )
}

function createPrivateFolder(folder: string): void {
  if (mkdirSync(folder, { recursive: true, mode: 0o700 }) === undefined) return
  createNew(join(folder, '.gitignore'), '*\n')
}

function createNew(path: string, content?: string): void {
  try {
    if (content === undefined) closeSync(openSync(path, 'wx', 0o600))
    else writeFileSync(path, content, { flag: 'wx', mode: 0o600 })
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
  }
}
