import type { SignatureData } from '../core/signature.ts'

/**
 * The steps of a long chain stay bytes while they are handed from one message to the next: a worker reads the step that runs next and
 * passes the rest on as it came. Otherwise each of a thousand steps would read and write all that follow it. Every message holds the
 * same bytes as ever: the last step first, so that the next one is taken off the end.
 */

/** Below this a body is read whole: looking for the place costs as much. */
const worthwhileBytes = 4096

/** Senders whose bodies are known to end in `"chain": […], "chord": null}]`. Source: celery/app/amqp.py, as_task_v2. */
const knownSenders: ReadonlySet<unknown> = new Set(['js', 'py'])

const tailBytes = Symbol('tq.chainTail')

/** A JSON body without all but the next step of its chain, and these, with commas between; undefined where there is nothing to part. */
export function splitChain(
  body: Uint8Array,
  headers: Readonly<Record<string, unknown>>,
): { readonly body: Uint8Array; readonly tail: Uint8Array } | undefined {
  if (body.length < worthwhileBytes || !knownSenders.has(headers['lang'])) return undefined
  const close = backOver(body, body.length, [...embedEnd, ']'])
  if (close === undefined) return undefined
  const last = openingOf(body, skipSpaceBack(body, close) - 1)
  if (last === undefined) return undefined
  const comma = backOver(body, last, [','])
  const open = comma === undefined ? undefined : chainStart(body)
  if (comma === undefined || open === undefined || open >= comma) return undefined
  return { body: Buffer.concat([body.subarray(0, open), body.subarray(last)]), tail: body.subarray(open, comma) }
}

/** What `splitChain` parted, together again; undefined for a body that ends otherwise. */
export function joinChain(body: Uint8Array, tail: Uint8Array): Uint8Array | undefined {
  const end = backOver(body, body.length, embedEnd)
  if (end === undefined) return undefined
  const none = backOver(body, end, ['null', ':', '"chain"'])
  if (none !== undefined) {
    const from = skipSpaceBack(body, end) - 'null'.length
    return Buffer.concat([body.subarray(0, from), Buffer.from('['), tail, Buffer.from(']'), body.subarray(end)])
  }
  const close = backOver(body, end, [']'])
  const open = close === undefined ? undefined : openingOf(body, close)
  if (open === undefined || backOver(body, open, [':', '"chain"']) === undefined) return undefined
  return Buffer.concat([body.subarray(0, open + 1), tail, Buffer.from(','), body.subarray(open + 1)])
}

/** The steps in these bytes as one signature; they are read when somebody asks for its `parts`. */
export function chainTail(tail: Uint8Array, read: (list: Uint8Array) => readonly SignatureData[]): SignatureData {
  let parts: readonly SignatureData[] | undefined
  const whole = { kind: 'chain', task: 'celery.chain', args: [], kwargs: {}, options: {}, immutable: false } as const
  // Not enumerable: a changed copy must not be taken for these bytes.
  Object.defineProperty(whole, tailBytes, { value: tail })
  return Object.defineProperty(whole, 'parts', {
    enumerable: true,
    get: () => (parts ??= read(Buffer.concat([Buffer.from('['), tail, Buffer.from(']')]))),
  })
}

/** The bytes of what `chainTail` made. */
export function tailOf(signature: SignatureData | undefined): Uint8Array | undefined {
  return signature && tailBytes in signature ? (signature[tailBytes] as Uint8Array) : undefined
}

/** The steps that a message's chain stands for, each by itself. */
export function stepsOf(chain: readonly SignatureData[]): readonly SignatureData[] {
  return chain.flatMap((step) => (tailOf(step) ? (step.parts ?? []) : [step]))
}

/** The end of a body, read backwards from its last byte. */
const embedEnd = [']', '}', 'null', ':', '"chord"', ','] as const

/** Where the first of the tokens that end at `at` begins, the last one given; undefined where others stand there. */
function backOver(bytes: Uint8Array, from: number, tokens: readonly string[]): number | undefined {
  let at = from
  for (const token of tokens) {
    at = skipSpaceBack(bytes, at) - token.length
    for (let i = 0; i < token.length; i++) if (bytes[at + i] !== token.charCodeAt(i)) return undefined
  }
  return at
}

function skipSpaceBack(bytes: Uint8Array, from: number): number {
  let at = from
  while (at > 0 && isSpace(bytes[at - 1])) at--
  return at
}

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09
}

const quote = 0x22
const backslash = 0x5c

function isOpening(byte: number | undefined): boolean {
  return byte === 0x7b || byte === 0x5b
}

function isClosing(byte: number | undefined): boolean {
  return byte === 0x7d || byte === 0x5d
}

/** The bracket that belongs to the closing one at `at`; undefined where none stands there. */
function openingOf(bytes: Uint8Array, at: number): number | undefined {
  if (!isClosing(bytes[at])) return undefined
  let depth = 0
  for (let i = at; i >= 0; i--) {
    const byte = bytes[i]
    if (byte === quote) i = stringStart(bytes, i)
    else if (isClosing(byte)) depth++
    else if (isOpening(byte) && --depth === 0) return i
  }
  return undefined
}

/** Of the string that ends at this quote: its first quote, the only one in it that no odd number of backslashes stands before. */
function stringStart(bytes: Uint8Array, end: number): number {
  for (let at = bytes.lastIndexOf(quote, end - 1); at >= 0; at = bytes.lastIndexOf(quote, at - 1)) {
    let before = at
    while (before > 0 && bytes[before - 1] === backslash) before--
    if ((at - before) % 2 === 0) return at
  }
  return -1
}

/** Of the string that begins at this quote: its last quote. */
function stringEnd(bytes: Uint8Array, start: number): number {
  for (let at = bytes.indexOf(quote, start + 1); at >= 0; at = bytes.indexOf(quote, at + 1)) {
    let before = at
    while (bytes[before - 1] === backslash) before--
    if ((at - before) % 2 === 0) return at
  }
  return bytes.length
}

/** The first byte inside the list that is `chain` of the third member of the body. */
function chainStart(bytes: Uint8Array): number | undefined {
  let depth = 0
  let member = 0
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i]
    if (byte === quote) {
      const end = stringEnd(bytes, i)
      if (depth === 2 && member === 2 && isChainKey(bytes, i, end)) {
        const open = skipSpace(bytes, skipSpace(bytes, end + 1) + 1)
        return bytes[open] === 0x5b ? open + 1 : undefined
      }
      i = end
    } else if (isOpening(byte)) depth++
    else if (isClosing(byte)) depth--
    else if (byte === 0x2c && depth === 1) member++
  }
  return undefined
}

function isChainKey(bytes: Uint8Array, start: number, end: number): boolean {
  const isChain = end - start === '"chain'.length && backOver(bytes, end + 1, ['"chain"']) === start
  return isChain && bytes[skipSpace(bytes, end + 1)] === 0x3a
}

function skipSpace(bytes: Uint8Array, from: number): number {
  let at = from
  while (isSpace(bytes[at])) at++
  return at
}
