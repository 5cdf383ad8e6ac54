import {
  EventEmitter,
  MarkdownString,
  ThemeColor,
  ThemeIcon,
  type TreeDataProvider,
  TreeItem,
  TreeItemCollapsibleState,
  Uri,
} from 'vscode'
import { changedNodes, type TooltipPart, type TreeNode } from './tree-node.ts'

/** The thing an item stands for; the same object for the same id, so that selection and expansion stay. */
export interface Handle {
  readonly id: string
}

/** Resources of this scheme are drawn grey. */
export const greyScheme = 'tq-grey'

// Beyond that the editor is faster when it asks for everything that is open.
const mostSingle = 100

/** Shows a tree of plain data; an update asks the editor only for the items that changed. */
export class NodeTree implements TreeDataProvider<Handle> {
  readonly #changed = new EventEmitter<Handle[] | undefined>()
  readonly onDidChangeTreeData = this.#changed.event
  readonly #handles = new Map<string, Handle>()
  #roots: readonly TreeNode[] = []
  #nodes = new Map<string, TreeNode>()
  #parents = new Map<string, string>()
  readonly #ready: Promise<void>

  /** Until `ready` the view shows that something is on its way. */
  constructor(ready: Promise<void>) {
    this.#ready = ready
  }

  get roots(): readonly TreeNode[] {
    return this.#roots
  }

  update(roots: readonly TreeNode[]): void {
    const changed = changedNodes(this.#roots, roots)
    this.#roots = roots
    this.#nodes = new Map()
    this.#parents = new Map()
    this.#index(roots, undefined)
    for (const id of this.#handles.keys()) if (!this.#nodes.has(id)) this.#handles.delete(id)
    if (changed === 'all' || changed.length > mostSingle) this.#changed.fire(undefined)
    else if (changed.length > 0) this.#changed.fire(changed.map((id) => this.#handle(id)))
  }

  node({ id }: Handle): TreeNode | undefined {
    return this.#nodes.get(id)
  }

  async getChildren(handle?: Handle): Promise<Handle[]> {
    if (!handle) await this.#ready
    const nodes = handle ? (this.node(handle)?.children ?? []) : this.#roots
    return nodes.map((one) => this.#handle(one.id))
  }

  getParent({ id }: Handle): Handle | undefined {
    const parent = this.#parents.get(id)
    return parent === undefined ? undefined : this.#handle(parent)
  }

  getTreeItem(handle: Handle): TreeItem {
    const node = this.node(handle)
    const item = new TreeItem(node?.label ?? '', stateOf(node))
    item.id = handle.id
    if (!node) return item
    if (node.description !== undefined) item.description = node.description
    if (node.context !== undefined) item.contextValue = node.context
    if (node.icon !== undefined) {
      item.iconPath = new ThemeIcon(node.icon, node.color === undefined ? undefined : new ThemeColor(node.color))
    }
    if (node.isGrey) item.resourceUri = Uri.from({ scheme: greyScheme, path: `/${encodeURIComponent(node.id)}` })
    if (node.spoken !== undefined) item.accessibilityInformation = { label: node.spoken }
    if (node.open) item.command = { title: '', command: 'tq.openTask', arguments: [handle] }
    return item
  }

  resolveTreeItem(item: TreeItem, handle: Handle): TreeItem {
    const tooltip = this.node(handle)?.tooltip
    if (tooltip) item.tooltip = markdown(tooltip)
    return item
  }

  #handle(id: string): Handle {
    const known = this.#handles.get(id)
    if (known) return known
    const handle = { id }
    this.#handles.set(id, handle)
    return handle
  }

  #index(nodes: readonly TreeNode[], parent: string | undefined): void {
    for (const node of nodes) {
      this.#nodes.set(node.id, node)
      if (parent !== undefined) this.#parents.set(node.id, parent)
      this.#index(node.children ?? [], node.id)
    }
  }
}

function stateOf(node: TreeNode | undefined): TreeItemCollapsibleState {
  if (!node?.children?.length) return TreeItemCollapsibleState.None
  return node.isOpen ? TreeItemCollapsibleState.Expanded : TreeItemCollapsibleState.Collapsed
}

/** Everything in it is somebody's text: nothing is read as Markdown. */
function markdown(parts: readonly TooltipPart[]): MarkdownString {
  const text = new MarkdownString()
  for (const part of parts) {
    if ('code' in part) text.appendCodeblock(part.code, 'typescript')
    else if ('label' in part)
      text.appendMarkdown('**').appendText(part.label).appendMarkdown('** ').appendText(part.text)
    else text.appendText(part.text)
    text.appendMarkdown('\n\n')
  }
  return text
}
