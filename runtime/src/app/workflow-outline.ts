import type { SignatureData } from '../core/signature.ts'

/** A frozen canvas without its arguments and options: what is to run, under which ids, in which order. */
export type Outline =
  | {
      readonly kind: 'task'
      readonly id: string
      readonly task: string
      /** What runs with its result. */
      readonly links: readonly Outline[]
    }
  | { readonly kind: 'chain'; readonly steps: readonly Outline[] }
  | { readonly kind: 'group'; readonly id: string; readonly parts: readonly Outline[] }
  | { readonly kind: 'chord'; readonly id: string; readonly parts: readonly Outline[]; readonly body: Outline }

/** Of a canvas in its normal form, with its ids. */
export function outlineOf(signature: SignatureData): Outline {
  const { kind, task, parts = [], body, options, headerOptions } = signature
  switch (kind) {
    case 'task': {
      const links = (options.link ?? []).map(outlineOf)
      const own: Outline = { kind, id: options.taskId ?? '', task, links }
      return options.chain ? { kind: 'chain', steps: [own, ...options.chain.map(outlineOf)] } : own
    }
    case 'chain':
      return { kind, steps: parts.map(outlineOf) }
    case 'group':
      return { kind, id: options.taskId ?? '', parts: parts.map(outlineOf) }
    case 'chord': {
      const id = headerOptions?.taskId ?? options.groupId ?? options.taskId ?? ''
      if (!body) return { kind: 'group', id, parts: parts.map(outlineOf) }
      return { kind, id, parts: parts.map(outlineOf), body: outlineOf(body) }
    }
  }
}

/** Every id in it: of tasks and of groups. */
export function* idsIn(outline: Outline): Generator<string> {
  if (outline.kind !== 'chain') yield outline.id
  for (const one of inside(outline)) yield* idsIn(one)
}

/** The ids of its tasks. */
export function* taskIdsIn(outline: Outline): Generator<string> {
  if (outline.kind === 'task') yield outline.id
  for (const one of inside(outline)) yield* taskIdsIn(one)
}

function inside(outline: Outline): readonly Outline[] {
  switch (outline.kind) {
    case 'task':
      return outline.links
    case 'chain':
      return outline.steps
    case 'group':
      return outline.parts
    case 'chord':
      return [...outline.parts, outline.body]
  }
}

/** The ids of the tasks that have to succeed before what follows can run. */
export function endsOfOutline(outline: Outline): readonly string[] {
  switch (outline.kind) {
    case 'task':
      return [outline.id]
    case 'chain':
      return outline.steps.slice(-1).flatMap(endsOfOutline)
    case 'group':
      return outline.parts.flatMap(endsOfOutline)
    case 'chord':
      return endsOfOutline(outline.body)
  }
}

/** Short, since every canvas that is sent writes one. */
export function packOutline(outline: Outline): unknown {
  switch (outline.kind) {
    case 'task':
      return [outline.id, outline.task, ...outline.links.map(packOutline)]
    case 'chain':
      return { c: outline.steps.map(packOutline) }
    case 'group':
      return { g: outline.id, p: outline.parts.map(packOutline) }
    case 'chord':
      return { g: outline.id, p: outline.parts.map(packOutline), b: packOutline(outline.body) }
  }
}

/** What somebody nested deeper would overflow the stack. */
const deepest = 1000

/** Undefined for what `packOutline` has not made. */
export function unpackOutline(packed: unknown, depth = 0): Outline | undefined {
  if (depth > deepest) return undefined
  const all = (list: unknown): readonly Outline[] =>
    Array.isArray(list) ? list.flatMap((one: unknown) => unpackOutline(one, depth + 1) ?? []) : []
  if (Array.isArray(packed)) {
    const list: readonly unknown[] = packed
    const [id, task, ...links] = list
    return typeof id === 'string' && typeof task === 'string'
      ? { kind: 'task', id, task, links: all(links) }
      : undefined
  }
  if (typeof packed !== 'object' || packed === null) return undefined
  if ('c' in packed) return { kind: 'chain', steps: all(packed.c) }
  if (!('g' in packed) || typeof packed.g !== 'string' || !('p' in packed)) return undefined
  const body = 'b' in packed ? unpackOutline(packed.b, depth + 1) : undefined
  const parts = all(packed.p)
  return body ? { kind: 'chord', id: packed.g, parts, body } : { kind: 'group', id: packed.g, parts }
}
