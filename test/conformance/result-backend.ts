import { afterEach, beforeEach, describe, test } from 'vitest'
import type { ResultBackend } from '../../runtime/src/backends/result-backend.ts'
import type { TaskMeta } from '../../runtime/src/core/states.ts'
import { describeChords } from './result-backend/chords.ts'
import { describeStoring } from './result-backend/storing.ts'
import { describeWatching } from './result-backend/watching.ts'
import { describeGroups } from './result-backend/groups.ts'
import type { ResultBackendFixture, ResultBackendSuite, Watched } from './result-backend/suite.ts'

/**
 * What every result backend does. `plans: false` where no transport of the same driver carries its writes out; `keeps: false` where a
 * result is a message to the one who asked: it is nowhere else, without the fields that nobody waits for, and there is no place for groups.
 */
export function describeResultBackend(
  name: string,
  factory: () => Promise<ResultBackendFixture>,
  { plans = true, keeps = true }: { readonly plans?: boolean; readonly keeps?: boolean } = {},
): void {
  const withPlans = (title: string, run: () => Promise<void>): void => {
    if (plans) test(title, run)
  }
  const withKeeping = (title: string, run: () => Promise<void>): void => {
    if (keeps) test(title, run)
  }

  describe(`${name} result backend`, () => {
    let fixture: ResultBackendFixture
    let opened: { close(): Promise<void> }[] = []
    let aborts: AbortController[] = []

    beforeEach(async () => {
      fixture = await factory()
    })

    afterEach(async () => {
      try {
        for (const abort of aborts) abort.abort()
        for (const client of opened) await client.close()
      } finally {
        aborts = []
        opened = []
        await fixture.cleanup()
      }
    })

    async function connected(): Promise<ResultBackend> {
      const backend = await fixture.open()
      opened.push(backend)
      await backend.connect()
      return backend
    }

    const state = async (backend: ResultBackend, id: string): Promise<string | undefined> =>
      (await backend.fetch([id]))[0]?.state

    /** Starts to watch; `seen` grows while the test goes on. */
    function watch(backend: ResultBackend, ids: readonly string[]): Watched {
      const abort = new AbortController()
      aborts.push(abort)
      const watched: Watched = { seen: [], ended: false, abort: () => abort.abort(), failure: undefined }
      const run = async (): Promise<void> => {
        for await (const meta of backend.watch(ids, abort.signal)) watched.seen.push(meta)
      }
      run()
        .catch((error: unknown) => {
          watched.failure = error
        })
        .finally(() => {
          watched.ended = true
        })
      return watched
    }

    const suite: ResultBackendSuite = {
      get fixture() {
        return fixture
      },
      plans,
      withPlans,
      withKeeping,
      connected,
      told: (meta) => (keeps ? meta : sentOf(meta)),
      closeLater: (client) => void opened.push(client),
      state,
      watch,
    }

    describeStoring(suite)
    describeWatching(suite)
    if (!keeps) return
    describeGroups(suite)
    describeChords(suite)
  })
}

/** Source: celery/backends/rpc.py, RPCBackend._to_result: no time, and nothing of the call. */
function sentOf({ id, state, result, error, traceback, children }: TaskMeta): TaskMeta {
  const all = { id, state, result, error, traceback, children }
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)) as typeof all
}
