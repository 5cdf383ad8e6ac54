import { globRegex } from './glob.ts'
import { isPromise } from './is-promise.ts'

/** What every event of a signal has: who sent it, a task's or a worker's name. */
export interface SignalEvent {
  readonly sender: string
}

export interface ConnectOptions {
  /** Only events of this sender: a name, or a glob such as `mail.*`. Default all. */
  readonly sender?: string | undefined
  /** A listener of the same signal that was connected under this id before is replaced, e.g. by a module that is loaded again. */
  readonly id?: string | undefined
}

/** A listener may be asynchronous: it is awaited before the next one, and before what follows the signal. */
export type SignalListener<E> = (event: E) => unknown

interface Receiver {
  readonly listener: SignalListener<never>
  readonly hears: ((sender: string) => boolean) | undefined
  readonly id: string | undefined
}

/**
 * Typed signals, `S` their events by name. Listeners are called one after the other in the order in which they were connected; what
 * one throws is reported and changes nothing for the next, nor for what the signal tells of.
 * Source: celery/utils/dispatch/signal.py (senders, dispatch_uid, robust sending).
 */
export class SignalHub<S extends { readonly [K in keyof S]: SignalEvent }> {
  readonly #receivers = new Map<keyof S, readonly Receiver[]>()
  readonly #report: (signal: string, error: unknown) => void

  constructor(report: (signal: string, error: unknown) => void) {
    this.#report = report
  }

  /** Returns what takes the listener away again. */
  connect<K extends keyof S>(signal: K, listener: SignalListener<S[K]>, options: ConnectOptions = {}): () => void {
    const { sender, id } = options
    const receiver: Receiver = { listener, id, hears: sender === undefined ? undefined : hearing(sender) }
    const others = this.#of(signal).filter((one) => id === undefined || one.id !== id)
    this.#receivers.set(signal, [...others, receiver])
    return () =>
      void this.#receivers.set(
        signal,
        this.#of(signal).filter((one) => one !== receiver),
      )
  }

  /** Whether anybody listens. */
  has(signal: keyof S): boolean {
    return this.#of(signal).length > 0
  }

  /**
   * Calls the listeners; `event` is made only where there are any. Undefined once all of them have returned, else a promise that
   * resolves when they have. Neither throws nor rejects.
   */
  emit<K extends keyof S>(signal: K, event: () => S[K]): Promise<void> | undefined {
    const receivers = this.#receivers.get(signal)
    if (receivers === undefined || receivers.length === 0) return undefined
    const made = event()
    const hearing = receivers.filter(({ hears }) => hears === undefined || hears(made.sender))
    return this.#tell(signal, hearing, made)
  }

  #tell<K extends keyof S>(signal: K, receivers: readonly Receiver[], event: S[K]): Promise<void> | undefined {
    for (const [index, { listener }] of receivers.entries()) {
      const pending = this.#call(signal, listener as SignalListener<S[K]>, event) // connect() has checked the pair
      if (pending) return pending.then(() => this.#tell(signal, receivers.slice(index + 1), event))
    }
    return undefined
  }

  #call<K extends keyof S>(signal: K, listener: SignalListener<S[K]>, event: S[K]): Promise<void> | undefined {
    const failed = (error: unknown): void => this.#report(String(signal), error)
    try {
      const returned = listener(event)
      return isPromise(returned) ? Promise.resolve(returned).then(() => undefined, failed) : undefined
    } catch (error) {
      failed(error)
      return undefined
    }
  }

  #of(signal: keyof S): readonly Receiver[] {
    return this.#receivers.get(signal) ?? []
  }
}

function hearing(sender: string): (name: string) => boolean {
  if (!/[*?]/.test(sender)) return (name) => name === sender
  const pattern = globRegex(sender)
  return (name) => pattern.test(name)
}
