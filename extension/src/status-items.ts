import type { Cluster } from './cluster.ts'
import type { Messages } from './messages.ts'
import { type StatusInput, statusOf } from './status.ts'
import type { Target } from './sidecar/protocol.ts'
import { ageText, oneLine } from './text.ts'
import type { NodeChoice } from './which-node.ts'

/** One line of `tq: Show Status`; `command` is what choosing it does. */
export interface StatusItem {
  readonly label: string
  readonly description?: string | undefined
  readonly detail?: string | undefined
  readonly command: string
  readonly argument?: string | undefined
}

export interface StatusItemsInput extends StatusInput {
  readonly cluster: Cluster
  readonly node: NodeChoice | undefined
  readonly tasks: number
  readonly problems: number
  readonly nowMs: number
}

/** How everything is: each app with its broker and its workers, what was found, and which Node does it. */
export function statusItems(input: StatusItemsInput): readonly StatusItem[] {
  const { cluster, messages, node, tasks, problems, nowMs, state, trusted } = input
  const trouble = statusOf({ ...input, cluster: empty(cluster) })
  return [
    ...(trouble
      ? [{ label: `$(${trouble.isTrouble ? 'error' : 'shield'}) ${trouble.lines[0] ?? ''}`, command: commandOf(input) }]
      : []),
    ...cluster.targets.map((target) => targetItem(target, cluster, messages, nowMs)),
    ...(tasks > 0 ? [{ label: `$(symbol-method) ${messages.scanned(tasks)}`, command: 'tq.openTask' }] : []),
    {
      label: problems === 0 ? `$(check) ${messages.noProblems}` : `$(warning) ${messages.problems(problems)}`,
      command: 'workbench.actions.view.problems',
    },
    ...(node && state !== 'noNode'
      ? [
          {
            label: `$(vm) Node ${node.version.replace(/^v/u, '')}`,
            description: trusted ? oneLine(node.path, 200) : '',
            detail: messages.nodeOrigin[node.origin],
            command: 'workbench.action.openSettings',
            argument: 'tq.nodePath',
          },
        ]
      : []),
  ]
}

function targetItem(target: Target, cluster: Cluster, messages: Messages, nowMs: number): StatusItem {
  const name = oneLine(target.main ?? target.id.slice(target.folder.length + 1), 80)
  const broker = target.embedded ? messages.embedded : oneLine(target.broker ?? '', 200)
  const description = (state: string): string => [broker, state].filter(Boolean).join(' · ')
  const workers = cluster.workers(target.id)
  const detail = target.reason === undefined ? undefined : oneLine(target.reason, 300)
  switch (target.state) {
    case 'live': {
      const live = workers.filter((one) => one.state === 'live')
      const names = live.map((one) => oneLine(one.hostname, 80)).join(', ')
      return {
        label: `$(pass) ${name}`,
        description: description(live.length === 0 ? messages.noWorkerHere : messages.workers(live.length)),
        detail: names === '' ? (target.embedded ? messages.workerComes : undefined) : names,
        command: 'tq.workers.focus',
      }
    }
    case 'connecting':
      return { label: `$(sync) ${name}`, description: description(messages.connecting), detail, command: 'tq.showLog' }
    case 'lost': {
      const lostMs = cluster.lostMs(target.id)
      const age = lostMs === undefined ? '' : ` ${messages.ago(ageText(nowMs - lostMs))}`
      const state = `${messages.brokerLost}${age}`
      return { label: `$(error) ${name}`, description: description(state), detail, command: 'tq.showLog' }
    }
    case 'failed':
      return {
        label: `$(error) ${name}`,
        description: description(messages.notConnected),
        detail,
        command: 'tq.showLog',
      }
    default:
      return target.state satisfies never
  }
}

/** What is said of the whole, without what each app says of itself. */
function empty(cluster: Cluster): Pick<Cluster, 'targets' | 'workers'> {
  return { targets: [], workers: (target) => cluster.workers(target) }
}

function commandOf({ state, scanOnly, trusted }: StatusItemsInput): string {
  if (state === 'ended') return 'tq.restart'
  if (state === 'noNode' || scanOnly) return 'workbench.action.openSettings'
  return trusted ? 'tq.showLog' : 'workbench.trust.manage'
}
