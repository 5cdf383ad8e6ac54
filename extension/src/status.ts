import type { Cluster } from './cluster.ts'
import type { Messages } from './messages.ts'
import type { SidecarState } from './sidecar-client.ts'
import type { Target } from './sidecar/protocol.ts'
import { oneLine } from './text.ts'

/** What the status bar says. */
export interface Status {
  readonly text: string
  /** Somebody has to do something. */
  readonly isTrouble: boolean
  /** More about it. */
  readonly lines: readonly string[]
}

export interface StatusInput {
  readonly state: SidecarState
  readonly scanOnly: boolean
  readonly trusted: boolean
  readonly cluster: Pick<Cluster, 'targets' | 'workers'>
  readonly messages: Messages
}

/** Undefined where there is nothing to say: no app, no trouble. */
export function statusOf({ state, scanOnly, trusted, cluster, messages }: StatusInput): Status | undefined {
  if (state === 'noNode') return trouble(messages.statusNoNode, messages.noNode)
  if (state === 'ended') return trouble(messages.statusEnded, messages.ended)
  if (!trusted) return { text: messages.statusRestricted, isTrouble: false, lines: [messages.restricted] }
  if (scanOnly) return trouble(messages.statusScanOnly, messages.scanOnly)
  const { targets } = cluster
  if (targets.length === 0) return undefined
  const lines = targets.map((one) => lineOf(one, cluster, messages))
  if (targets.some((one) => one.state === 'failed')) return { text: messages.statusFailed, isTrouble: true, lines }
  if (targets.some((one) => one.state === 'lost')) return { text: messages.statusLost, isTrouble: true, lines }
  return { text: brokerText(targets, cluster, messages), isTrouble: false, lines }
}

function brokerText(targets: readonly Target[], cluster: StatusInput['cluster'], messages: Messages): string {
  const brokers = new Set(targets.map(nameOf))
  const [broker] = brokers
  const [first] = targets
  if (!first || broker === undefined || brokers.size > 1) return messages.statusApps(targets.length)
  if (first.state === 'connecting' && first.broker === undefined) return messages.statusLooking
  const text = first.embedded ? messages.embedded : oneLine(broker, 40)
  // On the embedded broker a worker comes by itself with the first task.
  const isAlone = !first.embedded && first.state === 'live' && targets.every((one) => liveWorkers(one, cluster) === 0)
  return isAlone ? messages.statusNoWorker(text) : messages.statusBroker(text)
}

function lineOf(target: Target, cluster: StatusInput['cluster'], messages: Messages): string {
  const name = oneLine(target.main ?? target.id.slice(target.folder.length + 1), 80)
  const broker = target.embedded ? messages.embedded : oneLine(nameOf(target), 200)
  const state =
    target.reason !== undefined
      ? oneLine(target.reason, 300)
      : target.state === 'connecting'
        ? messages.connecting
        : messages.workers(liveWorkers(target, cluster))
  return `${name}: ${broker} · ${state}`
}

function nameOf({ broker, embedded }: Target): string {
  return broker ?? (embedded ? 'embedded' : '')
}

function liveWorkers(target: Target, cluster: StatusInput['cluster']): number {
  return cluster.workers(target.id).filter((one) => one.state === 'live').length
}

function trouble(text: string, line: string): Status {
  return { text, isTrouble: true, lines: [line] }
}
