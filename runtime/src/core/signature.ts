import type { Stamps } from './stamps.ts'

/** What to call, as plain data: a task, or one of the three compositions. JSON-able; Celery's dict is made of it in `wire/`. */
export interface SignatureData {
  readonly kind: 'task' | 'chain' | 'group' | 'chord'
  /** Task name; for compositions the name of the built-in task that stands for it. */
  readonly task: string
  readonly args: readonly unknown[]
  readonly kwargs: Readonly<Record<string, unknown>>
  readonly options: SignatureOptions
  /** An immutable signature ignores the arguments it would be given by its parent. */
  readonly immutable: boolean
  /** Members of a chain, group or chord header. */
  readonly parts?: readonly SignatureData[] | undefined
  /** Body of a chord. */
  readonly body?: SignatureData | undefined
  /** Of a chord whose header came as a group: that group's own options. */
  readonly headerOptions?: SignatureOptions | undefined
}

/** Call options that travel inside a signature. Seconds where the name is Celery's. */
export interface SignatureOptions {
  readonly taskId?: string | undefined
  readonly replyTo?: string | undefined
  readonly rootId?: string | undefined
  readonly parentId?: string | undefined
  readonly groupId?: string | undefined
  readonly groupIndex?: number | undefined
  readonly chord?: SignatureData | undefined
  /** Steps that follow it, the next one first. Only of signatures that Python made; tq writes a chain. */
  readonly chain?: readonly SignatureData[] | undefined
  readonly link?: readonly SignatureData[] | undefined
  readonly linkError?: readonly SignatureData[] | undefined
  readonly queue?: string | undefined
  readonly exchange?: string | undefined
  readonly routingKey?: string | undefined
  readonly priority?: number | undefined
  readonly countdown?: number | undefined
  /** Epoch ms. */
  readonly etaMs?: number | undefined
  /** Seconds from sending. */
  readonly expires?: number | undefined
  /** Epoch ms; wins over `expires`. */
  readonly expiresMs?: number | undefined
  readonly serializer?: string | undefined
  readonly compression?: string | undefined
  readonly headers?: Readonly<Record<string, unknown>> | undefined
  readonly shadow?: string | undefined
  readonly timeLimit?: number | undefined
  readonly softTimeLimit?: number | undefined
  readonly ignoreResult?: boolean | undefined
  readonly stamps?: Stamps | undefined
  /** Options that tq does not know, by their wire name; kept and forwarded. */
  readonly extra?: Readonly<Record<string, unknown>> | undefined
}

/** Every signature inside this one, itself first: parts, body, links and the chord option. */
export function* walk(signature: SignatureData): Generator<SignatureData> {
  yield signature
  for (const part of signature.parts ?? []) yield* walk(part)
  if (signature.body) yield* walk(signature.body)
  for (const link of signature.options.link ?? []) yield* walk(link)
  for (const link of signature.options.linkError ?? []) yield* walk(link)
  if (signature.options.chord) yield* walk(signature.options.chord)
  for (const step of signature.options.chain ?? []) yield* walk(step)
}

/** The signature and what it is made of, without links: its parts and its body. */
export function* walkSteps(signature: SignatureData): Generator<SignatureData> {
  yield signature
  for (const part of signature.parts ?? []) yield* walkSteps(part)
  for (const step of signature.options.chain ?? []) yield* walkSteps(step)
  if (signature.body) yield* walkSteps(signature.body)
}

/** The signature with arguments prepended, as a parent's result is; an immutable one comes back unchanged. */
export function withArgs(signature: SignatureData, args: readonly unknown[]): SignatureData {
  return signature.immutable || args.length === 0 ? signature : { ...signature, args: [...args, ...signature.args] }
}

/** The signature with options laid over its own. */
export function withOptions(signature: SignatureData, options: SignatureOptions): SignatureData {
  return { ...signature, options: { ...signature.options, ...options } }
}
