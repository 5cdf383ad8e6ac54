import type { AnyResult } from './group-result.ts'
import { originOf } from './result-tree.ts'

/** The results that belong together, as data. */
export interface ResultGraph {
  /** In breadth-first order from the first one. */
  readonly nodes: readonly ResultNode[]
  /** Ids: what ran before, and what came of it. */
  readonly edges: readonly (readonly [from: string, to: string])[]
}

/** One result of a graph. */
export interface ResultNode {
  readonly id: string
  readonly kind: 'task' | 'group'
  /** Of a group undefined: it has none of its own. */
  readonly state: string | undefined
  /** With an extended result only. */
  readonly name: string | undefined
}

/**
 * The graph around a result: the steps before it, the members of groups, and the children of all of them as far as they are stored.
 * Source: celery/result.py, AsyncResult.build_graph, iterdeps.
 */
export async function graphOf(result: AnyResult): Promise<ResultGraph> {
  const nodes = new Map<string, ResultNode>()
  const edges = new Map<string, readonly [string, string]>()
  const link = (from: string, to: string): unknown => edges.set(`${from} ${to}`, [from, to])
  let waiting: readonly AnyResult[] = [result]
  const seen = new Set<string>()
  while (waiting.length > 0) {
    const next: AnyResult[] = []
    const fresh = waiting.filter(({ id }) => !seen.has(id) && seen.add(id))
    // All at once: a group may have thousands of members.
    const asked = fresh.map(async (one) => ({
      one,
      meta: 'results' in one ? undefined : await one.meta(),
      children: await one.children(),
    }))
    for (const { one, meta, children } of await Promise.all(asked)) {
      const isGroup = 'results' in one
      nodes.set(one.id, {
        id: one.id,
        kind: isGroup ? 'group' : 'task',
        state: isGroup ? undefined : (meta?.state ?? 'PENDING'),
        name: meta?.name,
      })
      const { parent } = one
      if (parent) {
        link(parent.id, one.id)
        next.push(parent)
      }
      for (const child of children) {
        // A chord's body is known by its header, which is its parent.
        if (!descendsFrom(child, one.id)) link(one.id, originOf(child).id)
        next.push(child)
      }
    }
    waiting = next
  }
  return { nodes: [...nodes.values()], edges: [...edges.values()] }
}

function descendsFrom(result: AnyResult, id: string): boolean {
  for (let at = result.parent; at; at = at.parent) if (at.id === id) return true
  return false
}

/** The graph for Graphviz. */
export function graphToDot({ nodes, edges }: ResultGraph): string {
  const label = (node: ResultNode): string => quoted(labelOf(node))
  return [
    'digraph result {',
    ...nodes.map((node) => `  ${quoted(node.id)} [label=${label(node)}${node.kind === 'group' ? ', shape=box' : ''}];`),
    ...edges.map(([from, to]) => `  ${quoted(from)} -> ${quoted(to)};`),
    '}',
    '',
  ].join('\n')
}

/** The graph for Mermaid. */
export function graphToMermaid({ nodes, edges }: ResultGraph): string {
  const names = new Map(nodes.map((node, i) => [node.id, `n${i}`]))
  const name = (id: string): string => names.get(id) ?? id
  const shape = (node: ResultNode): string => {
    const text = `"${labelOf(node).replaceAll('"', '#quot;')}"`
    return node.kind === 'group' ? `[[${text}]]` : `(${text})`
  }
  return [
    'flowchart TD',
    ...nodes.map((node) => `  ${name(node.id)}${shape(node)}`),
    ...edges.map(([from, to]) => `  ${name(from)} --> ${name(to)}`),
    '',
  ].join('\n')
}

function labelOf({ id, kind, state, name }: ResultNode): string {
  return kind === 'group' ? `group ${id}` : `${name ?? id} ${state ?? ''}`.trimEnd()
}

function quoted(text: string): string {
  return `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`
}
