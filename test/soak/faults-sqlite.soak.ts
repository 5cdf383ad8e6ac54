import { join } from 'node:path'
import { expect, test } from 'vitest'
import { inspectFile } from '../../runtime/src/drivers/sqlite-care.ts'
import { onSqlite } from '../faults/fault-broker.ts'
import { workersKilled } from '../faults/scenarios.ts'
import { temporaryFolder } from '../helpers/project.ts'
import { tell } from '../faults/tell.ts'

test('5,000 tasks on SQLite while workers are killed', async () => {
  const path = join(temporaryFolder(), 'tq.db')

  tell('sqlite', await workersKilled(onSqlite(path), { tasks: 5000, kills: 12 }))

  expect(inspectFile(path)).toMatchObject({ problems: [], fault: undefined })
})
