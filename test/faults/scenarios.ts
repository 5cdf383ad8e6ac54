import { expect } from 'vitest'
import { systemClock } from '../../runtime/src/core/clock.ts'
import type { RunningProcess } from '../helpers/process.ts'
import { startProxy } from '../helpers/proxy.ts'
import type { FaultBroker } from './fault-broker.ts'
import { clientOf, type Figures, Ledger } from './ledger.ts'
import { tell } from './tell.ts'
import { inTheMiddle, kill, openGate, runs, squareProject, startWorker, whenRuns } from './square-worker.ts'

/** A server as helpers/services.ts and helpers/rabbitmq.ts give one. */
export interface TroubledServer {
  kill(): Promise<void>
  restart(): Promise<void>
  pause(): void
  resume(): void
}

/** A lease of a second for the brokers that have one. */
export const shortLease = 'brokerTransportOptions: { visibilityTimeout: 1 }'

export async function serverRestarted(
  broker: FaultBroker,
  server: TroubledServer,
  { tasks, restarts = 1 }: { readonly tasks: number; readonly restarts?: number },
): Promise<Figures> {
  const project = squareProject()
  const ledger = await Ledger.open(broker)
  await ledger.sendOthers(3)
  await ledger.send(tasks)
  const share = Math.floor(tasks / (restarts + 1))
  const worker = startWorker(project, broker, { holdFrom: share * restarts + Math.floor(share / 2) })

  for (let restart = 1; restart <= restarts; restart++) {
    await inTheMiddle(worker, share * restart)
    await server.kill()
    await server.restart()
  }

  expect(await ledger.isUnderWay()).toBe(true)
  openGate(project)
  await ledger.allDone([worker])
  await goesOn(ledger, worker)
  return ledger.closed([worker])
}

export async function serverStopped(
  broker: FaultBroker,
  server: TroubledServer,
  { tasks, ms }: { readonly tasks: number; readonly ms: number },
): Promise<Figures> {
  const project = squareProject()
  const ledger = await Ledger.open(broker)
  await ledger.sendOthers(3)
  await ledger.send(tasks)
  const worker = startWorker(project, broker, { holdFrom: Math.floor(tasks * 0.8) })
  await inTheMiddle(worker, Math.floor(tasks / 5))

  server.pause()
  try {
    await systemClock.sleep(ms) // the trouble itself is this time
  } finally {
    server.resume()
  }

  expect(await ledger.isUnderWay()).toBe(true)
  openGate(project)
  await ledger.allDone([worker])
  await goesOn(ledger, worker)
  return ledger.closed([worker])
}

/** Client and worker each lose their connections again and again, until both have lost `cuts`. */
export async function cutAtRandomBytes(
  broker: FaultBroker,
  { tasks, cuts, meanBytes, seed }: { tasks: number; cuts: number; meanBytes: number; seed: number },
): Promise<Figures> {
  tell(`${broker.name}: connections are cut by seed`, seed)
  const [before, behind] = [await startProxy(broker.port), await startProxy(broker.port)]
  const ledger = await Ledger.open(broker)
  const client = clientOf(broker.through(before.port))
  await ledger.sendOthers(3)
  await ledger.send(tasks)
  const worker = startWorker(squareProject(), broker.through(behind.port))
  await inTheMiddle(worker, Math.floor(tasks / 5))

  before.cutAtRandom(meanBytes, seed)
  behind.cutAtRandom(meanBytes, seed + 1)
  // Whatever the machine: what is sent makes both sides move bytes, and so lose connections.
  while (before.cuts < cuts || behind.cuts < cuts) await ledger.send(20, client)
  before.heal()
  behind.heal()

  await ledger.allDone([worker])
  await goesOn(ledger, worker)
  return ledger.closed([worker])
}

/** What was in the queue is gone with it; what the worker held, and what comes after, is done. */
export async function queueDeleted(broker: FaultBroker, { tasks }: { readonly tasks: number }): Promise<Figures> {
  const project = squareProject()
  const ledger = await Ledger.open(broker)
  await ledger.send(tasks)
  const worker = startWorker(project, broker, { holdFrom: Math.floor(tasks / 4) })
  await inTheMiddle(worker, Math.floor(tasks / 5))

  const gone = await broker.deleteQueue()
  ledger.deleted(gone)
  openGate(project)
  await ledger.send(50)

  expect(gone.length).toBeGreaterThan(0)
  await ledger.allDone([worker])
  return ledger.closed([worker])
}

/** Worker after worker is killed in the middle of its tasks; the last one finds some that were run before. */
export async function workersKilled(
  broker: FaultBroker,
  { tasks, kills, options = '' }: { readonly tasks: number; readonly kills: number; readonly options?: string },
): Promise<Figures> {
  const project = squareProject(options)
  const ledger = await Ledger.open(broker)
  await ledger.sendOthers(3)
  await ledger.send(tasks)
  const share = Math.floor(tasks / (kills + 1))
  const doomed: RunningProcess[] = []

  for (let at = 1; at <= kills; at++) {
    const holdFrom = share * at
    const worker = startWorker(project, broker, { name: `doomed${at}`, holdFrom })
    doomed.push(worker)
    // The last one dies with tasks in its hands that it cannot have ended; the others at full speed.
    if (at === kills) await whenRuns(worker, (some) => some.some((n) => n >= holdFrom))
    else await inTheMiddle(worker, Math.floor(share / 3))
    await kill(worker)
  }
  const survivor = startWorker(project, broker, { name: 'survivor' })

  await ledger.allDone([survivor])
  const earlier = new Set(doomed.flatMap(runs))
  expect(runs(survivor).filter((n) => earlier.has(n)).length).toBeGreaterThan(0)
  return ledger.closed([...doomed, survivor])
}

/** A worker is stopped for longer than its lease: another takes over, and what the first one gives late changes nothing. */
export async function workerStopped(
  broker: FaultBroker,
  { tasks, options = '' }: { readonly tasks: number; readonly options?: string },
): Promise<Figures & { readonly stopped: RunningProcess }> {
  const project = squareProject(options)
  const ledger = await Ledger.open(broker)
  await ledger.send(tasks)
  const holdFrom = Math.floor(tasks / 3)
  const stopped = startWorker(project, broker, { name: 'stopped', holdFrom })
  await whenRuns(stopped, (some) => some.some((n) => n >= holdFrom))
  const before = runs(stopped)

  stopped.kill('SIGSTOP')
  openGate(project)
  const other = startWorker(project, broker, { name: 'other' })
  await ledger.allDone([other])
  stopped.kill('SIGCONT')

  expect(runs(other).filter((n) => n >= holdFrom && before.includes(n)).length).toBeGreaterThan(0)
  await kill(other)
  await goesOn(ledger, stopped)
  return { ...(await ledger.closed([stopped, other])), stopped }
}

/** It does what is sent now: the worker has not only ended what it had. */
async function goesOn(ledger: Ledger, worker: RunningProcess): Promise<void> {
  const from = ledger.ids.length
  await ledger.send(10)
  await ledger.allDone([worker])
  expect(runs(worker).filter((n) => n >= from).length).toBeGreaterThanOrEqual(10)
}
