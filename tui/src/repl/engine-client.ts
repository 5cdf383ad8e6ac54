import { type ChildProcess, spawn } from 'node:child_process'
import { getCompileCacheDir } from 'node:module'
import { dirname } from 'node:path'
import type { Duplex, Readable } from 'node:stream'
import {
  type Answers,
  type Counts,
  type EngineEvent,
  type EvalAnswer,
  lineReader,
  type RequestBody,
  type StartOptions,
} from './protocol.ts'

export interface EngineListener {
  /** What user code printed; raw text, not yet cleaned. */
  onOutput(stream: 'out' | 'err', text: string): void
  onEvent(event: EngineEvent): void
  /** The process ended unasked: `process.exit` in user code, a crash, or a kill after an interrupt that had no effect. */
  onEnd(end: EngineEnd): void
}

export interface EngineEnd {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  /** It was killed by `kill()`. */
  readonly killed: boolean
  /** Top-level bindings that were lost. */
  readonly bindings: number
}

/** The engine is gone; what was asked of it gets no answer. */
export class EngineEndedError extends Error {
  override readonly name = 'EngineEndedError'
}

const closeMs = 3_000

/** One engine process and the conversation with it. */
export class EngineClient {
  readonly #child: ChildProcess
  readonly #wire: Duplex
  readonly #listener: EngineListener
  readonly #waiting = new Map<number, { resolve(answer: unknown): void; reject(error: Error): void }>()
  readonly #read = { out: 0, err: 0 }
  readonly #ended = Promise.withResolvers<void>()
  #onRead: (() => void)[] = []
  #nextId = 1
  #bindings = 0
  #killed = false
  #closing = false
  #isEnded = false

  /** Starts the process at once, without its options: they follow with `start`, while Node boots in there. */
  constructor(listener: EngineListener) {
    this.#listener = listener
    const entry = new URL(`engine-main${import.meta.url.slice(import.meta.url.lastIndexOf('.'))}`, import.meta.url)
    const inherited = conditionFlags(process.execArgv)
    this.#child = spawn(process.execPath, [...inherited, '--disable-warning=ExperimentalWarning', entry.pathname], {
      stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
      env: { ...process.env, ...compileCache() },
    })
    const { stdout, stderr, stdio } = this.#child
    // A 'pipe' beyond the first three is a duplex socket
    this.#wire = stdio[3] as unknown as Duplex
    this.#listen(stdout, 'out')
    this.#listen(stderr, 'err')
    this.#wire.setEncoding('utf8')
    this.#wire.on(
      'data',
      lineReader((line) => this.#receive(line)),
    )
    this.#wire.on('error', () => undefined)
    this.#child.on('error', () => this.#end(null, null))
    // 'close', not 'exit': everything it printed has been read by then.
    this.#child.on('close', (code, signal) => this.#end(code, signal))
  }

  get ended(): Promise<void> {
    return this.#ended.promise
  }

  start(options: StartOptions): Promise<Answers['start']> {
    return this.request({ op: 'start', options })
  }

  /** Rejects with EngineEndedError when the process ends before it has answered. */
  async request<Body extends Exclude<RequestBody, { op: 'interrupt' }>>(body: Body): Promise<Answers[Body['op']]> {
    const answer = await this.#ask(this.#nextId++, body)
    // Our own engine answers each request with its own kind
    return answer as Answers[Body['op']]
  }

  /** Evaluates one input. The answer comes after everything the input printed has been handed to the listener. */
  evaluate(code: string, options: { readonly width: number; readonly colours: boolean }): Evaluation {
    const id = this.#nextId++
    const answer = async (): Promise<EvalAnswer> => {
      // See request()
      const given = (await this.#ask(id, { op: 'eval', code, ...options })) as EvalAnswer
      if (!('incomplete' in given)) {
        this.#bindings = given.bindings
        await this.#caughtUp(given.counts)
      }
      return given
    }
    return { id, answer: answer(), interrupt: () => this.#send({ id: this.#nextId++, op: 'interrupt', target: id }) }
  }

  /** For code that cannot be interrupted. */
  kill(): void {
    this.#killed = true
    this.#child.kill('SIGKILL')
  }

  /** Ends the app and the process: politely, then after three seconds by force. */
  async close(): Promise<void> {
    this.#closing = true
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), closeMs)
    await this.request({ op: 'close' }).catch(() => undefined)
    await this.#ended.promise
    clearTimeout(timer)
  }

  #listen(stream: Readable | null, name: 'out' | 'err'): void {
    const decoder = new TextDecoder()
    stream?.on('data', (chunk: Buffer) => {
      this.#listener.onOutput(name, decoder.decode(chunk, { stream: true }))
      this.#read[name] += chunk.byteLength
      for (const check of this.#onRead) check()
    })
  }

  #caughtUp(counts: Counts): Promise<void> {
    const done = (): boolean => this.#read.out >= counts.out && this.#read.err >= counts.err
    if (done()) return Promise.resolve()
    return new Promise((resolve) => {
      const check = (): void => {
        if (!done()) return
        this.#onRead = this.#onRead.filter((other) => other !== check)
        resolve()
      }
      this.#onRead.push(check)
      void this.#ended.promise.then(resolve)
    })
  }

  #ask(id: number, body: Exclude<RequestBody, { op: 'interrupt' }>): Promise<unknown> {
    if (this.#isEnded) return Promise.reject(new EngineEndedError('The engine has ended.'))
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject })
      this.#send({ id, ...body })
    })
  }

  #send(message: { readonly id: number } & RequestBody): void {
    if (this.#wire.writable) this.#wire.write(`${JSON.stringify(message)}\n`)
  }

  #receive(line: string): void {
    // Written by our own engine
    const message = JSON.parse(line) as EngineEvent | { readonly id: number }
    if ('event' in message) return this.#listener.onEvent(message)
    this.#waiting.get(message.id)?.resolve(message)
    this.#waiting.delete(message.id)
  }

  #end(code: number | null, signal: NodeJS.Signals | null): void {
    this.#isEnded = true
    this.#ended.resolve()
    const end = { code, signal, killed: this.#killed, bindings: this.#bindings }
    if (!this.#closing) this.#listener.onEnd(end)
    for (const asked of this.#waiting.values()) asked.reject(new EngineEndedError('The engine ended.'))
    this.#waiting.clear()
  }
}

/** An input on its way. */
export interface Evaluation {
  readonly id: number
  readonly answer: Promise<EvalAnswer>
  /** Asks the engine to stop what it runs, or to stop waiting. */
  interrupt(): void
}

/** The bin's compile cache, which children do not inherit by themselves; it saves them a third of their start. */
function compileCache(): Readonly<Record<string, string>> {
  const folder = getCompileCacheDir()
  return folder === undefined ? {} : { NODE_COMPILE_CACHE: dirname(folder) }
}

/** The export conditions this process was started with, in either spelling; nothing else is meant for the engine. */
function conditionFlags(execArgv: readonly string[]): readonly string[] {
  return execArgv.flatMap((argument, i) => {
    if (/^(?:--conditions|-C)=/u.test(argument)) return [argument]
    const next = execArgv[i + 1]
    return (argument === '--conditions' || argument === '-C') && next !== undefined ? [`--conditions=${next}`] : []
  })
}
