import type { Place } from '../marks.ts'

/** What a view shows, as data: `NodeTree` makes items of it. */
export interface TreeNode {
  /** The same for the same thing, whatever it is called now; unique in the view. */
  readonly id: string
  readonly label: string
  readonly description?: string | undefined
  /** Paragraphs; `code` is shown as it is. */
  readonly tooltip?: readonly TooltipPart[] | undefined
  /** Name of a codicon, and of a theme colour. */
  readonly icon?: string | undefined
  readonly color?: string | undefined
  /** Shown like something that is not there any more. */
  readonly isGrey?: true | undefined
  readonly context?: string | undefined
  /** What a screen reader says. */
  readonly spoken?: string | undefined
  /** What commands on it act upon. */
  readonly subject?: Subject | undefined
  readonly open?: { readonly file: string; readonly place: Place } | undefined
  readonly children?: readonly TreeNode[] | undefined
  readonly isOpen?: true | undefined
}

export type TooltipPart =
  | { readonly code: string }
  | { readonly text: string }
  | { readonly label: string; readonly text: string }

export type Subject =
  | { readonly kind: 'task'; readonly folder: string; readonly id: string }
  | { readonly kind: 'worker'; readonly target: string; readonly hostname: string }

/** What changed between two states of a view: `all`, or ids of items that have to be asked for again. */
export function changedNodes(before: readonly TreeNode[], after: readonly TreeNode[]): 'all' | readonly string[] {
  if (idsOf(before) !== idsOf(after)) return 'all'
  return before.flatMap((old, index) => {
    const now = after[index]
    if (!now || old === now) return []
    if (ownText(old) !== ownText(now)) return [now.id]
    const children = changedNodes(old.children ?? [], now.children ?? [])
    return children === 'all' ? [now.id] : children
  })
}

function idsOf(nodes: readonly TreeNode[]): string {
  return nodes.map((one) => one.id).join('\u0000')
}

function ownText(node: TreeNode): string {
  return JSON.stringify({ ...node, children: (node.children?.length ?? 0) > 0 })
}
