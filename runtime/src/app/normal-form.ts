import { type SignatureData, type SignatureOptions, withArgs, withOptions } from '../core/signature.ts'

/**
 * The one form in which a canvas is sent. Chains hold tasks, and as their last step perhaps a group or a chord: chains inside are
 * spread, and a group or chord that something follows becomes a chord with all of that as its body. Groups hold tasks, chains and
 * chords: groups inside are spread. Arguments and options of a composition have gone to the members that they are for; what is
 * left is the id. A chord without header calls its body with an empty list, and an empty group at the end of a chain is left out.
 * Source: celery/canvas.py, _chain.prepare_steps, group._freeze_unroll, _chord.run (Celery 5.6). Unlike there a group of one stays
 * a group: what follows it gets a list whatever its length.
 */
export function normalise(signature: SignatureData): SignatureData {
  return withoutEmptyEnd(open(signature))
}

/** The normal form of what something may still follow: an empty group at its end is not at the end then. */
function open(signature: SignatureData): SignatureData {
  switch (signature.kind) {
    case 'task':
      return normalTask(signature)
    case 'chain':
      return lay(chainOf((signature.parts ?? []).map(open)), signature)
    case 'group':
      return normalGroup(signature)
    case 'chord':
      return normalChord(signature)
  }
}

/** A chain without options of its own. */
export function chainSignature(parts: readonly SignatureData[]): SignatureData {
  return { kind: 'chain', task: 'celery.chain', ...bare, parts }
}

export function groupSignature(parts: readonly SignatureData[], options: SignatureOptions = {}): SignatureData {
  return { kind: 'group', task: 'celery.group', ...bare, options, parts }
}

export function chordSignature(
  parts: readonly SignatureData[],
  body: SignatureData,
  headerOptions: SignatureOptions = {},
): SignatureData {
  return { kind: 'chord', task: 'celery.chord', ...bare, parts, body, headerOptions }
}

/** Whether it gives the results of several tasks that nothing gathers. Of a signature in its normal form. */
export function endsInGroup(signature: SignatureData): boolean {
  switch (signature.kind) {
    case 'task':
      return false
    case 'group':
      return true
    case 'chain':
      return (signature.parts ?? []).slice(-1).some(endsInGroup)
    case 'chord':
      return signature.body !== undefined && endsInGroup(signature.body)
  }
}

const bare = { args: [], kwargs: {}, options: {}, immutable: false } as const

/** Python's `chain(group, a, b)` leaves what follows a chord's body in the body's options. */
function normalTask(signature: SignatureData): SignatureData {
  const { chain, ...options } = signature.options
  if (chain === undefined) return signature
  return chainOf([{ ...signature, options }, ...chain.map(open)])
}

function normalGroup(signature: SignatureData): SignatureData {
  return lay(groupSignature(spread(signature.parts ?? [])), signature)
}

function spread(parts: readonly SignatureData[]): readonly SignatureData[] {
  return parts.map(normalise).flatMap((part) => (part.kind === 'group' ? (part.parts ?? []) : [part]))
}

function normalChord(signature: SignatureData): SignatureData {
  const { parts = [], headerOptions = {}, options } = signature
  // A header that was frozen by Celery says of itself whose header it is.
  const { taskId: headerId, groupId: _id, groupIndex: _index, chord: _chord, ...forMembers } = headerOptions
  const header = lay(groupSignature(spread(parts)), groupSignature([], forMembers))
  const body = signature.body && open(signature.body)
  if (body === undefined) return lay(withOptions(header, { taskId: headerId }), signature)
  // Celery gives a frozen chord the id of its header, and the id of the result to its body.
  const { taskId, ...rest } = options
  const bodyHasId = idOf(body) !== undefined
  const groupId = headerId ?? (bodyHasId ? taskId : undefined)
  const given = { ...signature, options: { ...rest, taskId: bodyHasId ? undefined : taskId } }
  if (header.parts?.length === 0) {
    return lay(sealed(prepended(body, [[]])), { ...given, args: [] })
  }
  return lay(chordSignature(header.parts ?? [], body, { taskId: groupId }), given)
}

/** The id of what a signature gives in the end. */
export function idOf(signature: SignatureData): string | undefined {
  switch (signature.kind) {
    case 'task':
    case 'group':
      return signature.options.taskId
    case 'chain': {
      const last = signature.parts?.at(-1)
      return last && idOf(last)
    }
    case 'chord':
      return signature.body && idOf(signature.body)
  }
}

/** The tasks that a composition would start with; of a chord those of its body, since its header has ids that nobody asks for. */
export function headsOf(signature: SignatureData): readonly SignatureData[] {
  const { kind, parts = [], body } = signature
  switch (kind) {
    case 'task':
      return [signature]
    case 'chain':
      return parts.slice(0, 1).flatMap(headsOf)
    case 'group':
      return parts.flatMap(headsOf)
    case 'chord':
      return body ? headsOf(body) : []
  }
}

/** The tasks that are sent first when it is. */
export function startsOf(signature: SignatureData): readonly SignatureData[] {
  const { kind, parts = [] } = signature
  if (kind === 'task') return [signature]
  return (kind === 'chain' ? parts.slice(0, 1) : parts).flatMap(startsOf)
}

/** The tasks whose results are those of the composition. */
export function endsOf(signature: SignatureData): readonly SignatureData[] {
  const { kind, parts = [], body } = signature
  switch (kind) {
    case 'task':
      return [signature]
    case 'chain':
      return parts.slice(-1).flatMap(endsOf)
    case 'group':
      return parts.flatMap(endsOf)
    case 'chord':
      return body ? endsOf(body) : []
  }
}

/** The steps, each in its normal form, one after the other. */
function chainOf(given: readonly SignatureData[]): SignatureData {
  const steps = given.flatMap((step) => (step.kind === 'chain' ? (step.parts ?? []) : [step]))
  const at = steps.findIndex((step, i) => step.kind !== 'task' && i < steps.length - 1)
  const split = steps[at]
  if (split) {
    const follows = steps.slice(at + 1)
    const joined =
      split.kind === 'chord'
        ? { ...split, body: chainOf([...(split.body ? [split.body] : []), ...follows]) }
        : open(chordSignature(split.parts ?? [], chainOf(follows), split.options))
    return chainOf([...steps.slice(0, at), joined])
  }
  const [only] = steps
  if (!only) throw new TypeError('A chain needs at least one step.')
  return steps.length === 1 ? only : chainSignature(steps)
}

function withoutEmptyEnd(signature: SignatureData): SignatureData {
  const { kind, parts = [], body } = signature
  if (kind === 'chain') {
    const last = parts.at(-1)
    if (isEmptyGroup(last)) return withoutEmptyEnd(chainOf(parts.slice(0, -1)))
    return last ? { ...signature, parts: [...parts.slice(0, -1), withoutEmptyEnd(last)] } : signature
  }
  if (kind !== 'chord' || !body) return signature
  const kept = withoutEmptyEnd(body)
  return isEmptyGroup(kept) ? groupSignature(parts, signature.headerOptions) : { ...signature, body: kept }
}

function isEmptyGroup(step: SignatureData | undefined): boolean {
  return step?.kind === 'group' && step.parts?.length === 0
}

/** Arguments in front of those that its first tasks have. */
function prepended(signature: SignatureData, args: readonly unknown[]): SignatureData {
  if (args.length === 0) return signature
  return onHeads(signature, (task) => withArgs(task, args))
}

/** Whose first tasks take nothing from what runs before. */
function sealed(signature: SignatureData): SignatureData {
  return onHeads(signature, (task) => ({ ...task, immutable: true }))
}

function onHeads(signature: SignatureData, change: (task: SignatureData) => SignatureData): SignatureData {
  const { parts = [] } = signature
  switch (signature.kind) {
    case 'task':
      return change(signature)
    case 'chain':
      return { ...signature, parts: parts.map((part, i) => (i === 0 ? onHeads(part, change) : part)) }
    case 'group':
    case 'chord':
      return { ...signature, parts: parts.map((part) => onHeads(part, change)) }
  }
}

/** Its end: the last step of a chain, the body of a chord, every member of a group. */
function onEnds(signature: SignatureData, change: (task: SignatureData) => SignatureData): SignatureData {
  const { parts = [], body } = signature
  switch (signature.kind) {
    case 'task':
      return change(signature)
    case 'chain':
      return { ...signature, parts: parts.map((part, i) => (i === parts.length - 1 ? onEnds(part, change) : part)) }
    case 'group':
      return { ...signature, parts: parts.map((part) => onEnds(part, change)) }
    case 'chord':
      return { ...signature, body: body && onEnds(body, change) }
  }
}

/** Every step on the way, the header of a chord left out: an error callback of the whole is one of these. */
function onSteps(signature: SignatureData, change: (task: SignatureData) => SignatureData): SignatureData {
  const { parts = [], body } = signature
  switch (signature.kind) {
    case 'task':
      return change(signature)
    case 'chain':
    case 'group':
      return { ...signature, parts: parts.map((part) => onSteps(part, change)) }
    case 'chord':
      return { ...signature, body: body && onSteps(body, change) }
  }
}

function onAll(signature: SignatureData, change: (task: SignatureData) => SignatureData): SignatureData {
  const { parts, body } = signature
  if (signature.kind === 'task') return change(signature)
  return { ...signature, parts: parts?.map((part) => onAll(part, change)), body: body && onAll(body, change) }
}

/** Hands the arguments and options of a composition to the members that they are for. */
function lay(signature: SignatureData, { args, options, immutable }: SignatureData): SignatureData {
  const { taskId, link, linkError, groupId, groupIndex, chord, countdown, etaMs, extra, ...common } = options
  let laid = prepended(signature, args)
  if (immutable) laid = sealed(laid)
  if (taskId !== undefined) laid = withId(laid, taskId)
  if (link !== undefined) laid = linked(laid, link)
  if (linkError !== undefined) {
    laid = onSteps(laid, (task) => withOptions(task, { linkError: union(task.options.linkError, linkError) }))
  }
  if ((groupId ?? chord) !== undefined) {
    laid = onEnds(laid, (task) => withOptions(task, { groupId, groupIndex, chord, ...definedOnly(task.options) }))
  }
  if ((countdown ?? etaMs) !== undefined) {
    laid = onHeads(laid, (task) => withOptions(task, { countdown, etaMs, ...definedOnly(task.options) }))
  }
  const others = definedOnly({ ...common, extra: withoutNulls(extra) })
  if (Object.keys(others).length === 0) return laid
  return onAll(laid, (task) => withOptions(task, { ...others, ...definedOnly(task.options) }))
}

/** Lets what it gives in the end be known by this id, unless it has one. */
export function withId(signature: SignatureData, taskId: string): SignatureData {
  const { parts = [], body } = signature
  switch (signature.kind) {
    case 'task':
    case 'group':
      return signature.options.taskId === undefined ? withOptions(signature, { taskId }) : signature
    case 'chain':
      return { ...signature, parts: parts.map((part, i) => (i === parts.length - 1 ? withId(part, taskId) : part)) }
    case 'chord':
      return { ...signature, body: body && withId(body, taskId) }
  }
}

function linked(signature: SignatureData, link: readonly SignatureData[]): SignatureData {
  if (link.length > 0 && endsInGroup(signature)) {
    throw new TypeError(
      'A group takes no callback: nobody would gather its results. Pipe it into a task, which makes a chord.',
    )
  }
  return onEnds(signature, (task) => withOptions(task, { link: union(task.options.link, link) }))
}

// A composition that was normalised before has handed its callbacks down already.
function union(
  own: readonly SignatureData[] | undefined,
  more: readonly SignatureData[],
): readonly SignatureData[] | undefined {
  const known = own ?? []
  return [...known, ...more.filter((one) => !known.includes(one))]
}

// What Python writes into a frozen composition without meaning it: root_id and parent_id.
function withoutNulls(extra: SignatureOptions['extra']): SignatureOptions['extra'] {
  const said = Object.entries(extra ?? {}).filter(([, value]) => value !== null)
  return said.length === 0 ? undefined : Object.fromEntries(said)
}

function definedOnly(options: SignatureOptions): SignatureOptions {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
}
