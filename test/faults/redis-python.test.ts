import { describe, expect, test } from 'vitest'
import { debianPython } from '../helpers/install.ts'
import { type RunningProcess, spawnProcess } from '../helpers/process.ts'
import { makeProject, type Project } from '../helpers/project.ts'
import { pythonEnv } from '../helpers/python-environment.ts'
import { requireService, startRedis } from '../helpers/services.ts'
import { waitFor } from '../helpers/wait.ts'
import { ends, inTheMiddle, Ledger, runs, squareApp, startWorker } from './redis-ledger.ts'

/** The same task as `squareApp` has, with the same lease. */
const pythonApp = `import os, time
from celery import Celery
url = os.environ['TQ_BROKER_URL']
app = Celery('troubled', broker=url, backend=url)
app.conf.update(task_acks_late=True, worker_redirect_stdouts=False, broker_transport_options={'visibility_timeout': 1})
count = 0
@app.task(name='square')
def square(n):
    global count
    count += 1
    os.write(1, b'run %d\\n' % n)
    time.sleep(0.1)
    return {'square': n * n, 'run': '%d:%d' % (os.getpid(), count)}
`

async function startCelery(project: Project, url: string): Promise<RunningProcess> {
  const args = [
    '-m',
    'celery',
    '-A',
    'pyapp',
    'worker',
    '-n',
    'py@trouble',
    '-c',
    '4',
    '-l',
    'INFO',
    '--without-mingle',
  ]
  const program = spawnProcess(debianPython, args, {
    cwd: project.folder,
    env: pythonEnv({ TQ_BROKER_URL: url }),
    cleanEnv: true,
    mayLeaveChildren: true, // it is killed with all of them
  })
  await program.waitForLine('py@trouble ready.', 30_000)
  return program
}

describe.skipIf(!requireService('redis') || !requireService('celery'))('Python and tq workers on one queue', () => {
  test('each killed in turn, they bring back what the other held', async () => {
    const server = await startRedis()
    const options = 'brokerTransportOptions: { visibilityTimeout: 1 }'
    const project = makeProject({ 'app.js': squareApp(options, 50), 'pyapp.py': pythonApp })
    const ledger = await Ledger.open(server.url)
    await ledger.send(200)
    const first = startWorker(project, server.url, 'first')
    await inTheMiddle(first, 60)

    first.kill('SIGKILL')
    await first.exit
    const doneByFirst = await ledger.done()
    // kombu looks when its worker starts, and then every 100 s.
    await waitFor(() => ledger.leasesAreOver(1000), { what: 'the end of the leases' })
    const python = await startCelery(project, server.url)
    await ledger.allDone()

    const takenOver = runs(python).filter((n) => runs(first).includes(n))
    expect(doneByFirst).toBeLessThan(200)
    expect(takenOver.length).toBeGreaterThan(0)

    await ledger.send(100)
    // What kombu has popped and not noted yet is lost with it, so it is killed when the rest is in its hands.
    await waitFor(() => ledger.isAllHeld(), { what: 'Python to hold the rest', timeoutMs: 60_000 })
    process.kill(-python.pid, 'SIGKILL')
    await python.exit
    expect(await ledger.done()).toBeLessThan(300)
    const second = startWorker(project, server.url, 'second')
    await ledger.allDone()

    const takenBack = runs(second).filter((n) => runs(python).includes(n))
    expect(takenBack.length).toBeGreaterThan(0)
    await ledger.settled([first, python, second])
    await ends(second)
  }, 120_000)
})
