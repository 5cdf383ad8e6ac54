import type { Tq } from 'tq-runtime'
import type { ClusterState } from 'tq-runtime/monitor'
import type { LiveQueue } from './protocol.ts'
import type { Texts } from './texts.ts'
import type { WorkerQuestions } from './worker-questions.ts'

const mostQueues = 200

export interface LiveQueuesFacts {
  readonly defaultQueue: string
  readonly questions: WorkerQuestions
  readonly cluster: ClusterState
  readonly texts: Texts
}

/** The queues that the broker or its workers know, and what waits in them. */
export async function liveQueues(app: Tq, facts: LiveQueuesFacts): Promise<readonly LiveQueue[]> {
  const { defaultQueue, questions, cluster, texts } = facts
  const transport = await app.connections.transport()
  const seen = new Set([defaultQueue, ...(await transport.queueNames())])
  for (const { queues } of questions.answers.values()) for (const name of queues ?? []) seen.add(name)
  const names = [...seen].sort().slice(0, mostQueues)
  return Promise.all(
    names.map(async (name): Promise<LiveQueue> => {
      const { ready, held, parked, consumers } = await transport.queueInfo(name)
      const known = consumers ?? questions.consumersOf(name, cluster)
      return { name: texts.line(name), ready, held, parked, ...(known !== undefined && { consumers: known }) }
    }),
  )
}
