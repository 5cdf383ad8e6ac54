import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, test } from 'vitest'
import { inspectFile } from '../../runtime/src/drivers/sqlite-care.ts'
import { temporaryFolder } from '../helpers/project.ts'
import { onSqlite } from './fault-broker.ts'
import { Ledger } from './ledger.ts'
import { workersKilled } from './scenarios.ts'
import { openGate, runs, squareProject, startWorker, whenRuns } from './square-worker.ts'

test('workers on SQLite killed one after the other lose none, and leave the file sound', async () => {
  const path = join(temporaryFolder(), 'tq.db')

  await workersKilled(onSqlite(path), { tasks: 600, kills: 4 })

  expect(inspectFile(path)).toMatchObject({ problems: [], fault: undefined })
}, 300_000)

// On one machine no lease ends while its holder lives: a laptop sleeps, a debugger stops. Nothing then runs twice.
test('a worker on SQLite that is stopped for longer than its lease keeps what it holds, and goes on', async () => {
  const path = join(temporaryFolder(), 'tq.db')
  const broker = onSqlite(path)
  const project = squareProject('brokerTransportOptions: { leaseMs: 300 }')
  const ledger = await Ledger.open(broker)
  await ledger.send(200)
  const stopped = startWorker(project, broker, { name: 'stopped', holdFrom: 60 })
  await whenRuns(stopped, (some) => some.some((n) => n >= 60))
  stopWhileItDoesNotWrite(path, stopped)
  const before = new Set(runs(stopped))

  openGate(project)
  const other = startWorker(project, broker, { name: 'other' })
  await whenRuns(other, (some) => some.length >= 50)
  stopped.kill('SIGCONT')

  await ledger.allDone([other])
  expect(runs(other).filter((n) => before.has(n))).toEqual([])
  await ledger.closed([stopped, other])
}, 300_000)

/** A process that is stopped in a transaction keeps the lock, and nobody could go on. */
function stopWhileItDoesNotWrite(path: string, worker: { kill(signal: NodeJS.Signals): void }): void {
  const file = new DatabaseSync(path)
  try {
    for (;;) {
      worker.kill('SIGSTOP')
      try {
        file.exec('begin immediate; rollback')
        return
      } catch {
        worker.kill('SIGCONT')
      }
    }
  } finally {
    file.close()
  }
}
