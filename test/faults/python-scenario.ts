import { expect } from 'vitest'
import { debianPython } from '../helpers/install.ts'
import { type RunningProcess, spawnProcess } from '../helpers/process.ts'
import type { Project } from '../helpers/project.ts'
import { pythonEnv } from '../helpers/python-environment.ts'
import { waitFor } from '../helpers/wait.ts'
import type { FaultBroker } from './fault-broker.ts'
import { Ledger } from './ledger.ts'
import { shortLease } from './scenarios.ts'
import { kill, runs, squareProject, startWorker, whenRuns } from './square-worker.ts'

const children = 4
/** Celery's worker_prefetch_multiplier. */
const heldPerChild = 4

/** The same task as `squareApp` has, with the same lease; those from HOLD_FROM on never end. */
const pythonApp = `import os, time
from celery import Celery
app = Celery('troubled', broker=os.environ['TQ_BROKER_URL'], backend=os.environ['TQ_RESULT_BACKEND'])
app.conf.update(task_acks_late=True, worker_redirect_stdouts=False)
if os.environ['TQ_BROKER_URL'].startswith('redis'):
    app.conf.broker_transport_options = {'visibility_timeout': 1}
hold_from = int(os.environ['HOLD_FROM'])
count = 0
@app.task(name='square')
def square(n):
    global count
    count += 1
    os.write(1, b'run %d\\n' % n)
    while n >= hold_from:
        time.sleep(1)  # until it is killed
    return {'square': n * n, 'run': '%d:%d' % (os.getpid(), count)}
`

/**
 * tq, Python and tq again on one queue, the first two killed with messages in their hands that they cannot have ended: each of them
 * waits for ever at some tasks.
 */
export async function pythonAndTqKilled(broker: FaultBroker, { tasks }: { readonly tasks: number }): Promise<void> {
  const project = squareProject(broker.name === 'redis' ? shortLease : '', { 'pyapp.py': pythonApp })
  const ledger = await Ledger.open(broker)
  await ledger.send(tasks)
  const firstHolds = Math.floor(tasks / 3)
  const first = startWorker(project, broker, { name: 'first', holdFrom: firstHolds })
  await whenRuns(first, (some) => some.some((n) => n >= firstHolds))

  await kill(first)
  // kombu looks for lost messages when its worker starts, and then every 100 s.
  if (broker.name === 'redis') await waitFor(() => leasesAreOver(broker), { what: 'the end of the leases' })
  const python = await startCelery(project, broker, tasks)
  await ledger.allDone([python])

  const takenOver = runs(python).filter((n) => n >= firstHolds && runs(first).includes(n))
  expect(takenOver.length).toBeGreaterThan(0)

  await ledger.send(tasks)
  // What kombu has popped and not noted yet is lost with it (issue of kombu's BRPOP): it pops nothing while its hands are full.
  const full = async (): Promise<boolean> =>
    (await broker.count()).held === children * heldPerChild &&
    runs(python).filter((n) => n >= tasks).length === children
  await waitFor(full, { what: 'Python to hold all that it takes', timeoutMs: 60_000 })
  await kill(python)
  expect(await ledger.isUnderWay()).toBe(true)
  const second = startWorker(project, broker, { name: 'second' })
  await ledger.allDone([second])

  const takenBack = runs(second).filter((n) => n >= tasks && runs(python).includes(n))
  expect(takenBack).toHaveLength(children)
  await ledger.closed([first, python, second])
}

async function startCelery(project: Project, broker: FaultBroker, holdFrom: number): Promise<RunningProcess> {
  const celery = ['-m', 'celery', '-A', 'pyapp', 'worker', '-n', 'py@trouble', '-c', String(children), '-l', 'INFO']
  const program = spawnProcess(debianPython, [...celery, '--without-mingle'], {
    cwd: project.folder,
    env: pythonEnv({
      TQ_BROKER_URL: broker.brokerUrl,
      TQ_RESULT_BACKEND: broker.resultUrl,
      HOLD_FROM: String(holdFrom),
    }),
    cleanEnv: true,
    mayLeaveChildren: true, // it is killed with all of them
  })
  await program.waitForLine('py@trouble ready.', 60_000)
  return program
}

/** Whether everything that is held has been held for as long as `shortLease` says. */
async function leasesAreOver(broker: FaultBroker): Promise<boolean> {
  return (await broker.youngestHoldMs()) > 1000
}
