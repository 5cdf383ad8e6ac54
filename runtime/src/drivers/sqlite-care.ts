import { closeSync, existsSync, openSync, readdirSync, readlinkSync, renameSync, rmSync, statSync } from 'node:fs'
import { backup, DatabaseSync } from 'node:sqlite'
import { StoreError, type TqError } from '../core/errors.ts'
import { integer, text } from './sqlite-connection.ts'
import { newerError, storeError } from './sqlite-errors.ts'
import { fileIdentity } from './sqlite-file.ts'
import { processState } from './sqlite-process.ts'
import { applicationId, schemaVersion } from './sqlite-schema.ts'

/** What a look at a database file found. */
export interface FileReport {
  readonly path: string
  readonly exists: boolean
  /** Of the file and of its log. */
  readonly bytes: number
  readonly walBytes: number
  readonly counts: {
    readonly ready: number
    readonly delayed: number
    readonly held: number
    readonly quarantined: number
    readonly results: number
  }
  /** Processes in its list of peers, and whether they live as far as that can be told here. */
  readonly peers: readonly {
    readonly name: string
    readonly kind: string
    readonly pid: number
    readonly state: string
  }[]
  /** What is wrong with its content; empty for a sound file. */
  readonly problems: readonly string[]
  /** Why it cannot be used at all. */
  readonly fault: TqError | undefined
}

const busyTimeoutMs = 5000
const companions = ['', '-wal', '-shm']
const nothing = { ready: 0, delayed: 0, held: 0, quarantined: 0, results: 0 }

/**
 * Looks at the file without changing it: SQLite's own check of every page, then tq's of what must hold between its tables. Reads all
 * of the file; others may go on meanwhile.
 */
export function inspectFile(path: string): FileReport {
  const empty = {
    path,
    exists: false,
    bytes: 0,
    walBytes: 0,
    counts: nothing,
    peers: [],
    problems: [],
    fault: undefined,
  }
  const size = sizeOf(path)
  if (size === undefined) return empty
  const found = { ...empty, exists: true, bytes: size, walBytes: sizeOf(`${path}-wal`) ?? 0 }
  try {
    return { ...found, ...withDatabase(open(path), (db) => look(db, path)) }
  } catch (error) {
    return { ...found, fault: storeError(error, path) }
  }
}

function look(db: DatabaseSync, path: string): Pick<FileReport, 'counts' | 'peers' | 'problems'> {
  const number = (sql: string): number => integer(Object.values(db.prepare(sql).get() ?? {})[0])
  const application = number('pragma application_id')
  const version = number('pragma user_version')
  if (application === 0 && version === 0 && number('select count(*) from sqlite_master') === 0) {
    return { counts: nothing, peers: [], problems: [] } // made, but not filled yet
  }
  if (application !== applicationId) {
    throw new StoreError('foreign', `${path} is a database of another program. Set TQ_DB to a path that only tq uses.`)
  }
  if (version > schemaVersion) throw newerError(path, version)
  const pages = db.prepare('pragma quick_check(20)').all()
  const problems = pages.map((row) => text(row['quick_check'])).filter((line) => line !== 'ok')
  // What is left of its tables may say anything, or nothing.
  if (problems.length > 0) return { counts: nothing, peers: [], problems }
  const lost = number(`select count(*) from message m where
    (select count(*) from ready r where r.queue=m.queue and r.prio=m.prio and r.seq=m.seq)
    + (select count(*) from delayed d where d.seq=m.seq) + (select count(*) from held h where h.seq=m.seq) <> 1`)
  if (lost > 0) problems.push(`${lost} messages are not in exactly one of ready, delayed and held`)
  return {
    problems,
    counts: {
      ready: number('select count(*) from ready'),
      delayed: number('select count(*) from delayed'),
      held: number('select count(*) from held'),
      quarantined: number('select count(*) from dead'),
      results: number('select count(*) from result'),
    },
    peers: db
      .prepare('select name, kind, pid, started from peer order by id')
      .all()
      .map((row) => {
        const pid = integer(row['pid'])
        return {
          name: text(row['name']),
          kind: text(row['kind']),
          pid,
          state: processState(pid, integer(row['started'])),
        }
      }),
  }
}

/**
 * Copies the database as it stands at one moment, while others go on with it, into a file of its own that needs no -wal. Rejects with
 * StoreError where there is something at `target` already, or where the copy is not sound; then nothing is left there.
 */
export async function backupFile(path: string, target: string): Promise<{ readonly bytes: number }> {
  if (!existsSync(path)) throw new StoreError('gone', `There is no database at ${path}, so nothing to back up.`)
  if (existsSync(target)) {
    throw new StoreError(
      'read-only',
      `${target} exists already. A backup overwrites nothing: name another file, or move it.`,
    )
  }
  const part = `${target}.part`
  try {
    closeSync(openSync(part, 'wx', 0o600))
    const source = open(path)
    try {
      await backup(source, part)
    } finally {
      source.close()
    }
    // In its place only once it is whole, and one file: what is copied of a log in use stays behind.
    const { problems, fault } = settled(part)
    if (fault ?? problems.length > 0) {
      throw new StoreError(
        'damaged',
        `The copy of ${path} is not sound (${fault?.message ?? problems.join('; ')}). \`tq doctor\` looks at the original.`,
      )
    }
    renameSync(part, target)
    return { bytes: statSync(target).size }
  } catch (error) {
    throw storeError(error, path)
  } finally {
    for (const end of companions) rmSync(part + end, { force: true })
  }
}

function settled(path: string): FileReport {
  withDatabase(new DatabaseSync(path), (db) => db.exec('pragma journal_mode=delete'))
  return inspectFile(path)
}

/**
 * Moves a database that cannot be used out of the way, its log with it, and returns where it is now; the next process makes a new one.
 * Throws StoreError for a sound file, one of another program or a newer tq, and one that a process still has open.
 */
export function setFileAside(path: string, stamp: string): string {
  const { exists, fault, problems } = inspectFile(path)
  const isBroken = problems.length > 0 || (fault instanceof StoreError && fault.reason === 'damaged')
  if (!exists) throw new StoreError('gone', `There is no database at ${path}; the next process makes one.`)
  if (!isBroken)
    throw fault ?? new StoreError('locked', `${path} is sound; nothing was moved. To empty its queues: tq purge.`)
  const users = openedBy(path)
  if (users.length > 0) {
    throw new StoreError(
      'locked',
      `${path} is still open in process ${users.join(', ')}; nothing was moved. End what uses it, then try again.`,
    )
  }
  const aside = `${path}.broken-${stamp}`
  for (const end of companions) if (existsSync(path + end)) renameSync(path + end, aside + end)
  return aside
}

/** Other processes that have the file open; none where the system does not tell (only Linux does). */
function openedBy(path: string): readonly number[] {
  const identity = fileIdentity(path)
  const pids = listed('/proc').filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
  return pids
    .filter((pid) =>
      listed(`/proc/${pid}/fd`).some((fd) => {
        try {
          return readlinkSync(`/proc/${pid}/fd/${fd}`) === path && fileIdentity(`/proc/${pid}/fd/${fd}`) === identity
        } catch {
          return false // closed meanwhile
        }
      }),
    )
    .map(Number)
}

function listed(folder: string): readonly string[] {
  try {
    return readdirSync(folder)
  } catch {
    return [] // another user's, or no such system
  }
}

function withDatabase<T>(db: DatabaseSync, run: (db: DatabaseSync) => T): T {
  try {
    return run(db)
  } finally {
    db.close()
  }
}

// A writer that is the last to close moves the log into the file and deletes it: of a damaged file both are to stay as they are.
function open(path: string): DatabaseSync {
  return new DatabaseSync(path, { timeout: busyTimeoutMs, readOnly: true })
}

function sizeOf(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.size
}
