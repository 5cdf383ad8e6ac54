import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, onTestFinished, test } from 'vitest'
import { SqliteBackend } from '../../runtime/src/backends/sqlite.ts'
import { systemClock } from '../../runtime/src/core/clock.ts'
import { silentLogger } from '../../runtime/src/core/logger.ts'
import { applicationId, schema, schemaVersion } from '../../runtime/src/drivers/sqlite-schema.ts'
import { openSqliteStore, type SqliteStore } from '../../runtime/src/drivers/sqlite-store.ts'
import { success } from '../helpers/messages.ts'
import { temporaryFolder } from '../helpers/project.ts'

const deps = { clock: systemClock, logger: silentLogger }
const options = { ttlMs: 60_000 }

test('a file of the first version is brought up to date, with what it holds', async () => {
  const { path, first } = firstVersion()
  first.exec(`insert into chord(id, size, done, expires) values('old', 2, 1, 9e15);
    insert into chord_part(chord, task, part, meta) values('old', 'before', 0, '{"status":"SUCCESS","task_id":"before"}')`)
  first.close()

  const { store, backend } = await opened(path)

  const joined = await backend.joinChord({ groupId: 'old' }, { index: 1, meta: success('now') }, options)
  expect(joined).toBe('complete')
  await backend.openChord({ groupId: 'new' }, 1, options)
  expect(await backend.claimChords({ completeMs: 0, waitingMs: 0, limit: 9 })).toEqual([
    { groupId: 'new', complete: false },
  ])
  const row = await store.read((reader) => reader.get('pragma user_version'))
  expect(row).toEqual({ user_version: schemaVersion })
})

test('a process that has the file open goes on in the first version, and what it counts and closes counts', async () => {
  const { path, first } = firstVersion()
  onTestFinished(() => first.close())
  const close = first.prepare('update chord set closed=1, completed=null where id=?')
  const complete = first.prepare('update chord set done=1, completed=1 where id=?')
  const { backend } = await opened(path)
  const body = {
    signature: { kind: 'task', task: 'tasks.sum', args: [], kwargs: {}, options: {}, immutable: false },
    rootId: 'root',
  } as const
  for (const groupId of ['theirs', 'left', 'ours']) await backend.openChord({ groupId }, 1, { ...options, body })

  complete.run('theirs')
  close.run('theirs')
  complete.run('left')

  const claimed = await backend.claimChords({ completeMs: 0, waitingMs: 0, limit: 9 })
  expect(claimed).toHaveLength(2)
  expect(claimed).toEqual(
    expect.arrayContaining([
      { groupId: 'left', complete: true },
      { groupId: 'ours', complete: false },
    ]),
  )
  expect(await backend.chordRecord({ groupId: 'theirs' })).toBeUndefined()
  expect(await backend.chordRecord({ groupId: 'ours' })).toMatchObject({ size: 1 })
})

/** A file as the first version made it, open in this process as if in an older one. */
function firstVersion(): { readonly path: string; readonly first: DatabaseSync } {
  const path = join(temporaryFolder(), 'tq.db')
  const first = new DatabaseSync(path)
  first.exec(`${schema}; pragma application_id=${applicationId}; pragma user_version=1; pragma journal_mode=wal`)
  return { path, first }
}

async function opened(path: string): Promise<{ readonly store: SqliteStore; readonly backend: SqliteBackend }> {
  const store = await openSqliteStore(path, deps)
  onTestFinished(() => store.close())
  return { store, backend: new SqliteBackend(store, deps) }
}
