import { type SignatureData, type SignatureOptions, withOptions } from '../core/signature.ts'
import { mergeStamps, type Stamps } from '../core/stamps.ts'
import { isOptionName } from '../wire/stamp-options.ts'

/**
 * Decides on stamps while a canvas is walked. What a method gives is laid under the stamps that come from outside, so that those
 * win; it is handed on to all that is inside. `stamps` are those from outside. Source: celery/canvas.py, StampingVisitor.
 */
export interface StampingVisitor {
  /** Of each task, callbacks included. */
  onSignature?(signature: SignatureData, stamps: Stamps): Stamps | undefined
  onGroupStart?(group: SignatureData, stamps: Stamps): Stamps | undefined
  onGroupEnd?(group: SignatureData, stamps: Stamps): void
  onChainStart?(chain: SignatureData, stamps: Stamps): Stamps | undefined
  onChainEnd?(chain: SignatureData, stamps: Stamps): void
  /** Default `onGroupStart`. What it gives is for the header and the body. */
  onChordHeaderStart?(chord: SignatureData, stamps: Stamps): Stamps | undefined
  /** Default `onGroupEnd`. */
  onChordHeaderEnd?(chord: SignatureData, stamps: Stamps): void
  /** What it gives is for the body alone. */
  onChordBody?(chord: SignatureData, stamps: Stamps): Stamps | undefined
  /** Of each callback, before `onSignature`. Only callbacks that were linked before the stamping are stamped. */
  onCallback?(callback: SignatureData, stamps: Stamps): Stamps | undefined
  onErrback?(errback: SignatureData, stamps: Stamps): Stamps | undefined
}

/** Who decides on stamps, and what becomes of those that are there. */
export interface StampOptions {
  readonly visitor?: StampingVisitor | undefined
  /** A stamp of the same name becomes a list of both values; otherwise the new one stays. Default false. */
  readonly appendStamps?: boolean | undefined
}

/**
 * The signature with every task in it stamped, its callbacks and error callbacks, too. Throws TypeError for a stamp that is called
 * like an option: on the wire both would have the same name. Source: celery/canvas.py, stamp() of each kind. Celery stamps a
 * chord's body only where there is a visitor; here always.
 */
export function stamped(signature: SignatureData, stamps: Stamps, options: StampOptions = {}): SignatureData {
  const { visitor = {}, appendStamps: append = false } = options
  return stamp(signature, stamps, { visitor, append })
}

interface Stamping {
  readonly visitor: StampingVisitor
  readonly append: boolean
}

function stamp(signature: SignatureData, given: Stamps, how: Stamping): SignatureData {
  switch (signature.kind) {
    case 'task':
      return stampTask(signature, given, how)
    case 'chain':
      return stampParts(signature, given, how, 'onChainStart', 'onChainEnd')
    case 'group':
      return stampParts(signature, given, how, 'onGroupStart', 'onGroupEnd')
    case 'chord':
      return stampChord(signature, given, how)
  }
}

function stampTask(signature: SignatureData, given: Stamps, how: Stamping): SignatureData {
  const { options } = signature
  const links = linksOf(options, given, how)
  const outer = mergeStamps(checked(given), checked(how.visitor.onSignature?.(signature, given) ?? {}), how.append)
  const stamps = mergeStamps(outer, options.stamps ?? {}, how.append)
  const chain = options.chain?.map((step) => stamp(step, given, how))
  return withOptions(signature, { ...links, stamps, ...(chain && { chain }) })
}

function stampParts(
  signature: SignatureData,
  given: Stamps,
  how: Stamping,
  start: 'onChainStart' | 'onGroupStart',
  end: 'onChainEnd' | 'onGroupEnd',
): SignatureData {
  const { visitor, append } = how
  const stamps = mergeStamps(given, visitor[start]?.(signature, given) ?? {}, append)
  const { options } = signature
  const links = linksOf(options, stamps, signature.kind === 'chain' ? { ...how, append: false } : how)
  const parts = signature.parts?.map((part) => stamp(part, stamps, how))
  visitor[end]?.(signature, stamps)
  return { ...withOptions(signature, links), parts }
}

function stampChord(signature: SignatureData, given: Stamps, how: Stamping): SignatureData {
  const { visitor, append } = how
  const started = visitor.onChordHeaderStart
    ? visitor.onChordHeaderStart(signature, given)
    : visitor.onGroupStart?.(headerOf(signature), given)
  const stamps = mergeStamps(given, started ?? {}, append)
  const links = linksOf(signature.options, stamps, how)
  const parts = signature.parts?.map((part) => stamp(part, stamps, how))
  if (visitor.onChordHeaderEnd) visitor.onChordHeaderEnd(signature, stamps)
  else visitor.onGroupEnd?.(headerOf(signature), stamps)
  const forBody = mergeStamps(stamps, visitor.onChordBody?.(signature, stamps) ?? {}, append)
  return { ...withOptions(signature, links), parts, body: signature.body && stamp(signature.body, forBody, how) }
}

function headerOf({ parts, headerOptions = {} }: SignatureData): SignatureData {
  return { kind: 'group', task: 'celery.group', args: [], kwargs: {}, options: headerOptions, immutable: false, parts }
}

/** A callback gets the stamps from outside and its own, never those of the call that it is linked to. */
function linksOf({ link, linkError }: SignatureOptions, given: Stamps, how: Stamping): SignatureOptions {
  const { visitor, append } = how
  const one = (callback: SignatureData, more: Stamps | undefined): SignatureData =>
    stamp(callback, mergeStamps(given, more ?? {}, append), how)
  return {
    ...(link && { link: link.map((callback) => one(callback, visitor.onCallback?.(callback, given))) }),
    ...(linkError && { linkError: linkError.map((callback) => one(callback, visitor.onErrback?.(callback, given))) }),
  }
}

function checked(stamps: Stamps): Stamps {
  const taken = Object.keys(stamps).find(isOptionName)
  if (taken === undefined) return stamps
  throw new TypeError(
    `A stamp cannot be called '${taken}': that is the name of an option of calls. Give it another one.`,
  )
}
