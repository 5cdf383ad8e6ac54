import { onTestFinished } from 'vitest'
import type { TqOptions } from '../../runtime/src/app/tq.ts'
import type { Logger } from '../../runtime/src/core/logger.ts'
import type { TaskMeta } from '../../runtime/src/core/states.ts'
import type { WorkerEvent } from '../../runtime/src/events/event.ts'
import { subscribeEvents } from '../../runtime/src/events/receiver.ts'
import type { AsyncResult, Tq, Worker, WorkerOptions } from '../../runtime/src/index.ts'
import { memoryApp, passUntil, VirtualClock } from '../../runtime/src/testing.ts'

/** An app on memory and a virtual clock, with what it logged and the events that passed since `hear()`. */
export interface Bench {
  readonly app: Tq
  readonly clock: VirtualClock
  /** `WARN text`, one per line that was logged. */
  readonly logged: string[]
  readonly events: WorkerEvent[]
  /** Lets virtual time pass until the promise settles. */
  pass<T>(promise: Promise<T>): Promise<T>
  /** A worker named `w1@test` of this app, events heard from before its start. */
  worker(options?: WorkerOptions): Promise<Worker>
  /** Starts collecting events. */
  hear(): Promise<void>
  /** Events of one task, in the order of arrival. */
  eventsOf(id: string): readonly WorkerEvent[]
  /** The stored record once the task is ready. */
  ready(result: AsyncResult<unknown>): Promise<TaskMeta>
  /** Lets everything that is under way come to rest, without letting time pass. */
  rest(): Promise<void>
}

/** Closed when the test ends. */
export function bench(options: TqOptions = {}): Bench {
  const clock = new VirtualClock()
  const logged: string[] = []
  const events: WorkerEvent[] = []
  let hearing = false
  const app = memoryApp('tests', { clock, logger: loggerInto(logged), ...options })
  const pass = <T>(promise: Promise<T>): Promise<T> => passUntil(clock, promise)
  onTestFinished(() => pass(app.close()))
  const one: Bench = {
    app,
    clock,
    logged,
    events,
    pass,
    hear: async () => {
      if (hearing) return
      hearing = true
      await subscribeEvents(await app.connections.transport(), (batch) => events.push(...batch))
    },
    worker: async (more = {}) => {
      await one.hear()
      return app.startWorker({ hostname: 'w1@test', ...more })
    },
    eventsOf: (id) => events.filter((event) => 'uuid' in event && event.uuid === id),
    ready: async (result) => {
      let last: TaskMeta | undefined
      await pass(
        result.whenReady((meta) => {
          last = meta
        }),
      )
      await one.rest()
      if (!last) throw new Error(`Nothing is stored for ${result.id}.`)
      return last
    },
    rest: () => clock.advance(0),
  }
  return one
}

function loggerInto(lines: string[]): Logger {
  const at =
    (level: string) =>
    (message: string): void => {
      lines.push(`${level} ${message}`)
    }
  return { debug: at('DEBUG'), info: at('INFO'), warn: at('WARN'), error: at('ERROR') }
}
