import type { Cluster } from '../cluster.ts'
import type { Messages } from '../messages.ts'
import type { LiveWorker, Target } from '../sidecar/protocol.ts'
import { ageText, oneLine } from '../text.ts'
import type { TreeNode } from './tree-node.ts'

/** Workers of every target; the target only where there are several. */
export function workersTree(cluster: Cluster, messages: Messages, nowMs: number): readonly TreeNode[] {
  const groups = cluster.targets.flatMap((target): TreeNode[] => {
    const children = cluster.workers(target.id).map((worker) => workerNode(target.id, worker, messages, nowMs))
    return children.length === 0 ? [] : [targetNode(target, children)]
  })
  return groups.length > 1 ? groups : (groups[0]?.children ?? [])
}

/** One app and its broker, as a group. */
export function targetNode(target: Target, children: readonly TreeNode[]): TreeNode {
  return {
    id: `target:${target.id}`,
    label: oneLine(target.main ?? target.id.slice(target.folder.length + 1), 80),
    description: target.broker,
    icon: 'package',
    context: 'target',
    isOpen: true,
    children,
  }
}

function workerNode(target: string, worker: LiveWorker, messages: Messages, nowMs: number): TreeNode {
  const id = `worker:${target}#${worker.hostname}`
  const isLive = worker.state === 'live'
  const active = worker.slots === undefined ? `${worker.active}` : `${worker.active}/${worker.slots}`
  const description = isLive
    ? messages.activity(active, worker.processed)
    : worker.state === 'offline'
      ? messages.offline
      : messages.stale(ageText(nowMs - worker.lastSeenMs))
  const label = oneLine(worker.hostname, 120)
  const software = oneLine(worker.software, 60)
  return {
    id,
    label,
    description,
    icon: isLive ? 'server-process' : worker.state === 'offline' ? 'circle-slash' : 'question',
    color: isLive ? 'testing.iconPassed' : 'disabledForeground',
    ...(!isLive && { isGrey: true as const }),
    context: `worker;${worker.state}`,
    spoken: `${label}, ${worker.state}, ${description}`,
    subject: { kind: 'worker', target, hostname: worker.hostname },
    tooltip: [
      { text: `${software} · pid ${worker.pid}` },
      { text: description },
      ...(worker.own === true ? [{ text: messages.ownWorker }] : []),
    ],
    children: [
      leaf(
        `${id}#software`,
        software,
        `pid ${worker.pid}${worker.own === true ? ` · ${messages.ownWorker}` : ''}`,
        'info',
      ),
      leaf(`${id}#slots`, messages.slots, worker.slots === undefined ? messages.notAnswered : active, 'layers'),
      list(`${id}#queues`, messages.queues, worker.queues, 'list-flat', messages),
      list(`${id}#registered`, messages.registeredTasks, worker.registered, 'symbol-method', messages),
    ],
  }
}

function leaf(id: string, label: string, description: string, icon: string): TreeNode {
  return { id, label, description, icon }
}

function list(
  id: string,
  label: string,
  names: readonly string[] | undefined,
  icon: string,
  messages: Messages,
): TreeNode {
  if (names === undefined) return leaf(id, label, messages.notAnswered, icon)
  const children = [...names].sort().map((name) => ({ id: `${id}#${name}`, label: oneLine(name, 200) }))
  return { id, label, description: String(names.length), icon, children }
}
