import { type Runtime, Session } from 'node:inspector'
import { promiseHooks } from 'node:v8'

/** How an input ended: with a value, with something thrown, or stopped. Values never leave the process: only their text does. */
export type Evaluated =
  | { readonly kind: 'value'; readonly value: unknown }
  | { readonly kind: 'thrown'; readonly error: unknown; readonly compiling: boolean }
  | { readonly kind: 'terminated' }

/**
 * V8's own REPL mode, through an inspector session of the thread it evaluates in: top-level await, redeclaration, and a way to
 * stop runaway code from another thread.
 */
export class Evaluator {
  readonly #session = new Session()
  readonly #held = new Set<Promise<unknown>>()
  #taken: unknown

  constructor() {
    this.#session.connect()
    Object.defineProperty(globalThis, 'tq$', { value: this.#host, enumerable: false, configurable: true })
  }

  /** What generated code can reach as `tq$`; others add `import` and `meta` to it. */
  readonly #host: Record<string, unknown> = {
    take: (value: unknown): void => {
      this.#taken = value
    },
  }

  /** Before the process ends: Node waits for open sessions, and says so on stderr. */
  disconnect(): void {
    this.#session.disconnect()
  }

  provide(name: string, value: unknown): void {
    this.#host[name] = value
  }

  /** `number` names the input in stack traces: `repl:3:2:7`. Never rejects, but stays pending for ever when the input does. */
  async evaluate(js: string, number: number): Promise<Evaluated> {
    try {
      const expression = `${js}\n//# sourceURL=repl:${number}`
      const { result, exceptionDetails } = await this.#post({ expression, replMode: true, objectGroup: 'tq' })
      if (exceptionDetails === undefined) return { kind: 'value', value: this.#receive(result) }
      const thrown = exceptionDetails.exception
      const error = thrown === undefined ? new Error(exceptionDetails.text) : this.#receive(thrown)
      return { kind: 'thrown', error, compiling: isCompileError(error) }
    } catch {
      return { kind: 'terminated' }
    } finally {
      this.#session.post('Runtime.releaseObjectGroup', { objectGroup: 'tq' })
    }
  }

  /** Evaluates an expression only as far as it changes nothing; undefined when it would, fails, or takes over 50 ms. */
  async peek(expression: string): Promise<{ readonly value: unknown } | undefined> {
    try {
      const { result, exceptionDetails } = await this.#post({
        expression,
        throwOnSideEffect: true,
        timeout: 50,
        objectGroup: 'tq-peek',
        silent: true,
      })
      return exceptionDetails === undefined ? { value: this.#receive(result) } : undefined
    } catch {
      return undefined
    } finally {
      this.#session.post('Runtime.releaseObjectGroup', { objectGroup: 'tq-peek' })
    }
  }

  /** Names bound by `let`, `const` and `class` at the top level. */
  lexicalNames(): readonly string[] {
    let names: readonly string[] = []
    this.#session.post('Runtime.globalLexicalScopeNames', {}, (error, answer) => {
      if (error === null) names = answer.names
    })
    return names
  }

  #post(parameters: EvaluateParameters): Promise<Runtime.EvaluateReturnType> {
    return new Promise((resolve, reject) => {
      const hold = parameters.replMode === true ? this.#holdFirstPromise() : undefined
      this.#session.post('Runtime.evaluate', parameters, (error, answer) => {
        if (error === null) resolve(answer)
        else reject(error)
      })
      hold?.()
    })
  }

  /**
   * A REPL input is the body of an async function whose promise the inspector watches weakly. Were it collected before it is
   * settled (an await that was given up), the inspector would call this session from within the collector, and Node aborts.
   * So the first promise that is made while the input starts, which is that one, is held until it is settled.
   */
  #holdFirstPromise(): () => void {
    let first: Promise<unknown> | undefined
    const stop = promiseHooks.onInit((promise) => {
      first ??= promise
    })
    return () => {
      Reflect.apply(stop, undefined, [])
      const held = first
      if (held === undefined) return
      const release = (): boolean => this.#held.delete(held)
      this.#held.add(held)
      held.then(release, release)
    }
  }

  /** Turns the inspector's description back into the value itself, by a call that hands it to `take`. */
  #receive(remote: Runtime.RemoteObject): unknown {
    if (remote.type === 'undefined') return undefined
    if (remote.objectId === undefined && remote.unserializableValue === undefined) return remote.value
    const argument =
      remote.objectId === undefined
        ? { unserializableValue: remote.unserializableValue }
        : { objectId: remote.objectId }
    this.#session.post(
      'Runtime.evaluate',
      { expression: 'globalThis.tq$', objectGroup: 'tq-host' },
      (failure, host) => {
        if (failure !== null || host.result.objectId === undefined) return
        this.#session.post('Runtime.callFunctionOn', {
          objectId: host.result.objectId,
          functionDeclaration: 'function (value) { this.take(value) }',
          arguments: [argument],
        })
      },
    )
    this.#session.post('Runtime.releaseObjectGroup', { objectGroup: 'tq-host' })
    const value = this.#taken
    this.#taken = undefined
    return value
  }
}

/** Parameters that V8 documents and `@types/node` leaves out. */
interface EvaluateParameters extends Runtime.EvaluateParameterType {
  readonly replMode?: boolean
  readonly throwOnSideEffect?: boolean
  readonly timeout?: number
}

/** A SyntaxError without a frame of its own was raised by compiling the input, not by running it. */
function isCompileError(error: unknown): boolean {
  if (!(error instanceof SyntaxError)) return false
  const frames = (error.stack ?? '').split('\n').filter((line) => /^\s+at /u.test(line))
  return frames[0]?.includes('node:inspector') ?? true
}
