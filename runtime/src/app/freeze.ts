import type { ChordPlace } from '../core/chord.ts'
import type { ChordRef, ResultRef } from '../core/states.ts'
import { type SignatureData, type SignatureOptions, withOptions } from '../core/signature.ts'
import { chainSignature, chordSignature, endsOf, groupSignature, normalise } from './normal-form.ts'

/** What has to be sent now for a canvas, and how its results hang together. */
export interface Plan {
  /** The calls to publish, in order; each with the steps that follow it. */
  readonly calls: readonly PlannedCall[]
  /** Chords whose headers are among the calls: opened before any of them is published. */
  readonly chords: readonly PlannedChord[]
  /** The tasks that end the canvas, with their places in the header of a chord where they have one. */
  readonly places: readonly ChordPlace[]
  /** The last result, those before it as parents. */
  readonly result: ResultRef
  /** What the sending task is to know as its child: the results of later steps become children of earlier ones. */
  readonly child: ResultRef
  /** All of it with its ids. */
  readonly whole: SignatureData
  /** Some step needs a result backend that can join, now or later. */
  readonly joins: boolean
}

export interface PlannedChord extends ChordRef {
  readonly size: number
  /** With all of its ids. */
  readonly body: SignatureData
  readonly places: readonly ChordPlace[]
}

export interface PlannedCall {
  /** Of a task, with all of its ids. */
  readonly signature: SignatureData
  readonly chain: readonly SignatureData[]
}

export interface FreezeOptions {
  readonly newId: () => string
  readonly replyTo: string
}

/**
 * Gives every task of a canvas its ids, once: its own, those of the group or chord it is a part of, and its place among the parts.
 * A chord counts the tasks that end its header's members, and these have the places 0 to n - 1 in order. Frozen again, everything
 * keeps its id, so that a repeated delivery sends the same calls. No I/O.
 * Source: celery/canvas.py, freeze() of each kind, _chord._descend.
 */
export function planOf(signature: SignatureData, options: FreezeOptions): Plan {
  const sending: Sending = { calls: [], chords: [], joins: false }
  const { signature: whole, ref, child } = freeze(normalise(signature), { ...options, sending }, undefined)
  return { ...sending, result: ref, child, places: placesOf([whole]), whole }
}

/** The whole canvas with its ids, none of it to be sent now. */
export function frozen(signature: SignatureData, options: FreezeOptions): SignatureData {
  return freeze(normalise(signature), { ...options, sending: undefined }, undefined).signature
}

/** Callbacks with ids of their own, so that a repeated delivery sends the same call and not a second one. */
export function freezeLinks(links: readonly SignatureData[], options: FreezeOptions): readonly SignatureData[] {
  return links.map((one) => {
    if (one.kind !== 'task' || one.options.chain) return frozen(one, options)
    return one.options.taskId === undefined ? withOptions(one, { taskId: options.newId() }) : one
  })
}

interface Sending {
  readonly calls: PlannedCall[]
  readonly chords: PlannedChord[]
  joins: boolean
}

interface Freezing extends FreezeOptions {
  /** Undefined for what is sent by a worker later. */
  readonly sending: Sending | undefined
  readonly notes?: { joins: boolean } | undefined
}

/** What the task that ends a member of a group carries. */
interface Membership {
  /** Undefined for what is sent later: who sends it says so. Celery 5.2 gives the header another id then. */
  readonly groupId: string | undefined
  readonly nextIndex: () => number
  /** Body of the chord whose header the member is in. */
  readonly chord: SignatureData | undefined
}

interface Frozen {
  readonly signature: SignatureData
  readonly ref: ResultRef
  readonly child: ResultRef
}

function freeze(signature: SignatureData, how: Freezing, member: Membership | undefined): Frozen {
  switch (signature.kind) {
    case 'task':
      return freezeTask(signature, how, member)
    case 'chain':
      return freezeChain(signature, how, member)
    case 'group':
      return freezeGroup(signature, how, member)
    case 'chord':
      return freezeChord(signature, how, member)
  }
}

function freezeTask(signature: SignatureData, how: Freezing, member: Membership | undefined): Frozen {
  const { options } = signature
  const id = options.taskId ?? how.newId()
  const step = withOptions(signature, {
    taskId: id,
    replyTo: options.replyTo ?? how.replyTo,
    ...(options.link && { link: freezeLinks(options.link, how) }),
    ...(options.linkError && { linkError: freezeLinks(options.linkError, how) }),
    ...membershipOf(options, member),
  })
  how.sending?.calls.push({ signature: step, chain: [] })
  const ref = { id }
  return { signature: step, ref, child: ref }
}

// A plain group that ends a chain in some header: its members are parts of that header.
function membershipOf(options: SignatureOptions, member: Membership | undefined): SignatureOptions | undefined {
  if (member?.groupId === undefined || (member.chord === undefined && options.groupId !== undefined)) return undefined
  return { groupId: member.groupId, groupIndex: member.nextIndex(), chord: member.chord ?? options.chord }
}

function freezeChain(signature: SignatureData, how: Freezing, member: Membership | undefined): Frozen {
  const { parts = [] } = signature
  const later = { ...how, sending: undefined, notes: how.sending ?? how.notes }
  const steps = parts.map((part, i) => freeze(part, later, i === parts.length - 1 ? member : undefined))
  const [first, ...rest] = steps
  if (!first) throw new TypeError('A chain needs at least one step.')
  how.sending?.calls.push({ signature: first.signature, chain: rest.map((step) => step.signature) })
  const { ref } = steps.reduce((before, step) => ({ ...step, ref: under(step.ref, before.ref) }))
  const whole = chainSignature(steps.map((step) => step.signature))
  return { signature: ref.results ? whole : withOptions(whole, { taskId: ref.id }), ref, child: first.ref }
}

function freezeGroup(signature: SignatureData, how: Freezing, member: Membership | undefined): Frozen {
  const groupId = signature.options.taskId ?? how.newId()
  const membership = member ?? { groupId: how.sending && groupId, nextIndex: counter(), chord: undefined }
  const members = (signature.parts ?? []).map((part) => freeze(part, how, membership))
  const ref = { id: groupId, results: members.map((one) => one.ref) }
  const whole = groupSignature(
    members.map((one) => one.signature),
    { taskId: groupId },
  )
  return { signature: whole, ref, child: ref }
}

function freezeChord(signature: SignatureData, how: Freezing, member: Membership | undefined): Frozen {
  const groupId = signature.headerOptions?.taskId ?? how.newId()
  const { sending, body: given } = { sending: how.sending, body: signature.body }
  if (!given) throw new TypeError('A chord needs a body.')
  const notes = sending ?? how.notes
  if (notes) notes.joins = true
  const body = freeze(given, { ...how, sending: undefined, notes }, member)
  const nextIndex = counter()
  const membership = sending
    ? { groupId, nextIndex, chord: body.signature }
    : { groupId: undefined, nextIndex, chord: undefined }
  const members = (signature.parts ?? []).map((part) => freeze(part, how, membership))
  const parts = members.map((one) => one.signature)
  sending?.chords.push({ groupId, size: nextIndex(), body: body.signature, places: placesOf(parts) })
  const group = { id: groupId, results: members.map((one) => one.ref) }
  const ref = under(body.ref, group)
  const whole = withOptions(chordSignature(parts, body.signature, { taskId: groupId }), { taskId: groupId })
  return { signature: whole, ref, child: ref }
}

/** Where in a header the tasks stand that end these members. */
function placesOf(members: readonly SignatureData[]): readonly ChordPlace[] {
  return members
    .flatMap(endsOf)
    .flatMap(({ options: { taskId: id, groupIndex: index } }) => (id === undefined ? [] : [{ id, index }]))
}

/** The reference with `parent` before all of its own parents. */
function under(ref: ResultRef, parent: ResultRef): ResultRef {
  return { ...ref, parent: ref.parent ? under(ref.parent, parent) : parent }
}

function counter(): () => number {
  let next = 0
  return () => next++
}
