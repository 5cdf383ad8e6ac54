import type { Catalogue } from './catalogue.ts'
import type { Cluster } from './cluster.ts'
import type { Log } from './log.ts'
import type { Messages } from './messages.ts'
import type { ResultDocuments } from './providers/result-document.ts'
import type { Results } from './results.ts'
import type { SidecarClient } from './sidecar-client.ts'
import type { TaskRunner } from './task-runner.ts'
import type { Views } from './views/views.ts'

/** What commands act upon. */
export interface CommandParts {
  readonly client: SidecarClient
  readonly catalogue: Catalogue
  readonly cluster: Cluster
  readonly results: Results
  readonly views: Views
  readonly documents: ResultDocuments
  readonly runner: TaskRunner
  readonly log: Log
  readonly messages: Messages
}
