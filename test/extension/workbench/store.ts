import { eventHistory } from '../../../runtime/src/events/history.ts'
import { Tq } from '../../../runtime/src/index.ts'

/** What a store knows of one task. */
export interface StoredRun {
  readonly id: string
  /** Undefined without a result. */
  readonly state: string | undefined
  readonly result: unknown
  /** Types of its events, oldest first. */
  readonly events: readonly string[]
  readonly senderPid: number | undefined
  readonly workerPid: number | undefined
}

/** Reads the runs of a task from a project's database, oldest first, as any other program can. */
export async function storedRuns(database: string, task: string): Promise<readonly StoredRun[]> {
  const app = new Tq('reader', { brokerUrl: `sqlite://${database}` })
  try {
    const events = (await eventHistory(await app.connections.transport())).filter((event) => 'uuid' in event)
    const sent = events.flatMap((event) => (event.type === 'task-sent' && event.name === task ? [event] : []))
    return await Promise.all(
      sent.map(async ({ uuid, pid }) => {
        const meta = await app.result(uuid).meta()
        const own = events.filter((event) => event.uuid === uuid)
        return {
          id: uuid,
          state: meta?.state,
          result: meta?.result,
          events: own.map(({ type }) => type),
          senderPid: pid,
          workerPid: own.find(({ type }) => type === 'task-received')?.pid,
        }
      }),
    )
  } finally {
    await app.close()
  }
}
