import type { TqOptions } from '../app/tq.ts'
import { SettingError } from '../core/errors.ts'
import type { Tq } from '../index.ts'
import type { Worker, WorkerOptions } from '../worker/worker.ts'
import { memoryApp } from './memory-app.ts'
import { inTime, startWorker } from './worker.ts'

/** What `test.extend(tqFixtures)` gives to a test. */
export interface TqFixtures {
  /** Settings of the app, and its clock: override it for a file or a suite. pytest's `celery_config`. */
  tqConfig: TqOptions
  /** Options of the worker. pytest's `celery_worker_parameters`. */
  tqWorkerOptions: WorkerOptions
  /** An app on memory, of this test alone. pytest's `celery_app`. */
  tqApp: Tq
  /** A worker of `tqApp` that consumes before the test begins. pytest's `celery_worker`. */
  tqWorker: Worker
}

type Use<T> = (value: T) => Promise<void>

/** Fixtures in vitest's form. They name nothing of vitest's, so that it is needed by those alone who use them. */
export interface FixtureSet {
  tqConfig: TqOptions
  tqWorkerOptions: WorkerOptions
  tqApp: (context: Pick<TqFixtures, 'tqConfig'>, use: Use<Tq>) => Promise<void>
  tqWorker: (context: Pick<TqFixtures, 'tqApp' | 'tqWorkerOptions'>, use: Use<Worker>) => Promise<void>
}

/**
 * A new app for each test, and its worker for those that ask for it.
 * Source of the idea: celery/contrib/pytest.py.
 */
export const tqFixtures: FixtureSet = {
  tqConfig: {},
  tqWorkerOptions: {},
  tqApp: async ({ tqConfig }, use) => {
    const app = memoryApp('tests', tqConfig)
    await use(app)
    await inTime(app, app.close())
  },
  tqWorker,
}

/**
 * The same around the project's own app: for each test it is put on a memory broker of its own, whatever its settings say, and closed
 * after it; its settings are then as before. Its clock and its logger stay its own, whatever `tqConfig` says of them. Throws SettingError where the environment names a broker: that would win, and a test must not reach it.
 */
export function fixturesOf(app: Tq): FixtureSet {
  return {
    ...tqFixtures,
    tqApp: async ({ tqConfig }, use) => {
      refuseEnvironment()
      const { logger: _, clock: __, memory: ___, ...settings } = tqConfig
      const restore = app.configureForNow({ broker: 'memory://', backend: 'memory://', ...settings })
      await use(app)
      await inTime(app, app.close())
      restore()
    },
  }
}

async function tqWorker(
  { tqApp, tqWorkerOptions }: Pick<TqFixtures, 'tqApp' | 'tqWorkerOptions'>,
  use: Use<Worker>,
): Promise<void> {
  const running = await startWorker(tqApp, tqWorkerOptions)
  await use(running.worker)
  await running.stop()
}

function refuseEnvironment(): void {
  for (const name of ['TQ_BROKER_URL', 'TQ_RESULT_BACKEND']) {
    if (process.env[name] === undefined) continue
    throw new SettingError(`${name} is set: the tests would use that server. Run them without it.`)
  }
}
