import type { Cluster } from '../cluster.ts'
import type { Messages } from '../messages.ts'
import type { LiveQueue } from '../sidecar/protocol.ts'
import { ageText, oneLine } from '../text.ts'
import type { TreeNode } from './tree-node.ts'
import { targetNode } from './workers-model.ts'

/** Queues of every target; the target only where there are several. */
export function queuesTree(cluster: Cluster, messages: Messages, nowMs: number): readonly TreeNode[] {
  const groups = cluster.targets.flatMap((target): TreeNode[] => {
    const lostMs = cluster.lostMs(target.id)
    const old = lostMs === undefined ? undefined : messages.ago(ageText(nowMs - lostMs))
    const children = cluster.queues(target.id).map((queue) => queueNode(target.id, queue, old, messages))
    return children.length === 0 ? [] : [targetNode(target, children)]
  })
  return groups.length > 1 ? groups : (groups[0]?.children ?? [])
}

/** `old` is how long ago the numbers were true, where they may be so no longer. */
function queueNode(target: string, queue: LiveQueue, old: string | undefined, messages: Messages): TreeNode {
  const isWaiting = queue.consumers === 0 && queue.ready > 0 && old === undefined
  const parts = [
    messages.ready(queue.ready),
    ...(queue.held > 0 ? [messages.held(queue.held)] : []),
    ...(queue.parked > 0 ? [messages.parked(queue.parked)] : []),
    ...(queue.consumers === undefined
      ? []
      : [queue.consumers === 0 ? messages.noConsumer : messages.consumers(queue.consumers)]),
  ]
  // In front: the end of a description is cut off first.
  if (old !== undefined) parts.unshift(old)
  const label = oneLine(queue.name, 120)
  return {
    id: `queue:${target}#${queue.name}`,
    label,
    description: parts.join(' · '),
    // Messages that nobody fetches are the one thing here that needs somebody.
    icon: isWaiting ? 'warning' : 'list-flat',
    ...(isWaiting && { color: 'list.warningForeground' }),
    ...(old !== undefined && { isGrey: true as const, color: 'disabledForeground' }),
    context: 'queue',
    spoken: [label, ...parts].join(', '),
  }
}
