import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, onTestFinished, test } from 'vitest'
import { SqliteBackend } from '../../runtime/src/backends/sqlite.ts'
import { systemClock } from '../../runtime/src/core/clock.ts'
import { silentLogger } from '../../runtime/src/core/logger.ts'
import { applicationId, schema, schemaVersion } from '../../runtime/src/drivers/sqlite-schema.ts'
import { openSqliteStore } from '../../runtime/src/drivers/sqlite-store.ts'
import { success } from '../helpers/messages.ts'
import { temporaryFolder } from '../helpers/project.ts'

test('a file of the first version is brought up to date, with what it holds', async () => {
  const path = join(temporaryFolder(), 'tq.db')
  const first = new DatabaseSync(path)
  first.exec(`${schema}; pragma application_id=${applicationId}; pragma user_version=1; pragma journal_mode=wal;
    insert into chord(id, size, done, expires) values('old', 2, 1, 9e15);
    insert into chord_part(chord, task, part, meta) values('old', 'before', 0, '{"status":"SUCCESS","task_id":"before"}')`)
  first.close()

  const deps = { clock: systemClock, logger: silentLogger }
  const store = await openSqliteStore(path, deps)
  onTestFinished(() => store.close())
  const backend = new SqliteBackend(store, deps)
  const options = { ttlMs: 60_000 }

  const joined = await backend.joinChord({ groupId: 'old' }, { index: 1, meta: success('now') }, options)
  expect(joined).toBe('complete')
  await backend.openChord({ groupId: 'new' }, 1, options)
  expect(await backend.claimChords({ completeMs: 0, waitingMs: 0, limit: 9 })).toEqual([
    { groupId: 'new', complete: false },
  ])
  const row = await store.read((reader) => reader.get('pragma user_version'))
  expect(row).toEqual({ user_version: schemaVersion })
})
