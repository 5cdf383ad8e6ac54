import { types } from 'node:util'

/** What the engine needs of a Tq app. Structural, because the project may hold its own copy of tq-runtime. */
export interface ReplApp {
  readonly main: string
  eager: boolean
  tasks(): readonly unknown[]
  brokerName(): string
  ensureWorker(): Promise<{ readonly started: boolean; readonly hostname: string | undefined }>
  close(): Promise<void>
}

/** AsyncResult and GroupResult, recognised by their brand. */
export interface FollowableResult {
  readonly id: string
  readonly eager?: { readonly attempts: number; readonly simulatedMs: number } | undefined
  get(options: { readonly propagate: boolean; readonly signal: AbortSignal }): Promise<unknown>
  state?(): Promise<string>
  meta?(): Promise<{ readonly worker?: string | undefined } | undefined>
}

const brands = [Symbol.for('tq.AsyncResult'), Symbol.for('tq.GroupResult')]

export function isFollowable(value: unknown): value is FollowableResult {
  // A proxy's traps are the user's code; printing must not run them.
  if (typeof value !== 'object' || value === null || types.isProxy(value)) return false
  return brands.some((brand) => Reflect.get(value, brand) === true)
}

export type Followed =
  | { readonly kind: 'value'; readonly value: unknown; readonly worker?: string | undefined }
  | { readonly kind: 'failed'; readonly error: unknown; readonly worker?: string | undefined }
  | { readonly kind: 'left' }

export interface FollowOptions {
  readonly signal: AbortSignal
  /** Told the state once after `stateAfterMs`, and again whenever it has changed. */
  readonly onState: (state: string) => void
  readonly stateAfterMs: number
}

/** Waits for a task as a person watches it. Ends with `left` when the signal aborts; the task itself goes on. */
export async function follow(result: FollowableResult, options: FollowOptions): Promise<Followed> {
  const watching = watchState(result, options)
  try {
    const value = await result.get({ propagate: true, signal: options.signal })
    return { kind: 'value', value, worker: await workerOf(result) }
  } catch (error) {
    if (options.signal.aborted) return { kind: 'left' }
    return { kind: 'failed', error, worker: await workerOf(result) }
  } finally {
    watching.stop()
  }
}

function watchState(result: FollowableResult, options: FollowOptions): { stop(): void } {
  let last = ''
  let asking = false
  const ask = async (): Promise<void> => {
    if (asking) return
    asking = true
    try {
      const state = (await result.state?.()) ?? ''
      if (state !== last) options.onState(state)
      last = state
    } catch {
      // The state is an ornament; `get` reports what is wrong with the backend.
    }
    asking = false
  }
  const timer = setInterval(() => void ask(), options.stateAfterMs)
  return { stop: () => clearInterval(timer) }
}

async function workerOf(result: FollowableResult): Promise<string | undefined> {
  try {
    return (await result.meta?.())?.worker
  } catch {
    return undefined
  }
}
