import { type ChildProcess, fork } from 'node:child_process'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ScanError } from '../core/errors.ts'
import type { ScanCalls, ScanReply } from './scan-protocol.ts'
import type { FileEvent, ScannerOptions } from './scanner.ts'
import type { ScanDiff, ScanResult } from './task-info.ts'

export interface ScanClientOptions {
  /** The Node that runs it. Default the one that runs the caller. */
  readonly execPath?: string | undefined
  readonly env?: NodeJS.ProcessEnv | undefined
  /** Called once when its process has ended, asked or not, or could not be started. */
  readonly onEnd?: ((error: ScanError) => void) | undefined
}

interface Waiting {
  readonly resolve: (result: ScanDiff | ScanResult) => void
  readonly reject: (error: ScanError) => void
}

const ownExtension = extname(fileURLToPath(import.meta.url))

/**
 * A scanner in a process of its own: no call blocks the caller's thread. One folder per client. The process ends with `stop()` or with
 * its parent; when it dies, every call rejects with ScanError and a new client has to be started.
 */
export class ScanClient {
  readonly #child: ChildProcess
  readonly #waiting = new Map<number, Waiting>()
  readonly #gone: Promise<void>
  readonly #onEnd: ((error: ScanError) => void) | undefined
  #next = 0
  #end: ScanError | undefined
  #said = ''

  constructor(options: ScanClientOptions = {}) {
    this.#onEnd = options.onEnd
    const entry = fileURLToPath(new URL(`./scan-host${ownExtension}`, import.meta.url))
    this.#child = fork(entry, [], {
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      serialization: 'json',
      // None of the caller's flags (inspector, loaders) concern it. Trees die young: a small nursery halves the memory and costs no time.
      execArgv: ['--max-semi-space-size=4'],
      ...(options.execPath !== undefined && { execPath: options.execPath }),
      ...(options.env && { env: options.env }),
    })
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#said = `${this.#said}${text}`.slice(-2000)
    })
    this.#child.on('message', (reply: ScanReply) => this.#settle(reply))
    this.#gone = new Promise((resolve) => {
      this.#child.on('error', (cause) => {
        this.#fail(new ScanError('The process of the scanner could not be started, or not be reached.', { cause }))
        if (this.#child.pid === undefined) resolve()
      })
      this.#child.once('exit', (code, signal) => {
        this.#fail(
          new ScanError(`The scanner's process ended (${signal ?? `code ${code}`}). ${this.#said.trim()}`.trim()),
        )
        resolve()
      })
    })
  }

  /** Id of the process, undefined when it could not be started. */
  get pid(): number | undefined {
    return this.#child.pid
  }

  /** Scans a folder; give it before anything else. */
  open(folder: string, options: ScannerOptions = {}): Promise<ScanResult> {
    return this.#call('open', { folder, options })
  }

  /** The text of an open buffer. Of several that wait only the newest is looked at; all of them get its answer. */
  change(file: string, text: string, version: number): Promise<ScanDiff> {
    return this.#call('change', { file, text, version })
  }

  /** The buffer is closed: the file on disk counts again. */
  close(file: string): Promise<ScanDiff> {
    return this.#call('close', { file })
  }

  fsEvents(events: readonly FileEvent[]): Promise<ScanDiff> {
    return this.#call('fsEvents', { events })
  }

  snapshot(): Promise<ScanResult> {
    return this.#call('snapshot', {})
  }

  /** Ends the process; it writes its cache first. Calls that wait reject. Idempotent. */
  async stop(): Promise<void> {
    if (this.#child.connected) this.#child.disconnect()
    await this.#gone
  }

  #call<M extends keyof ScanCalls>(method: M, params: ScanCalls[M]['params']): Promise<ScanCalls[M]['result']> {
    return new Promise((resolve, reject) => {
      if (this.#end || !this.#child.connected) {
        reject(this.#end ?? new ScanError('The scanner was stopped.'))
        return
      }
      const id = this.#next++
      this.#waiting.set(id, { resolve, reject })
      this.#child.send({ id, method, params }, (error) => {
        if (error) this.#fail(new ScanError('The scanner cannot be reached.', { cause: error }))
      })
    })
  }

  #settle(reply: ScanReply): void {
    const waiting = this.#waiting.get(reply.id)
    this.#waiting.delete(reply.id)
    if (!waiting) return
    if ('error' in reply) waiting.reject(new ScanError(reply.error))
    else waiting.resolve(reply.result)
  }

  #fail(error: ScanError): void {
    const isFirst = this.#end === undefined
    this.#end ??= error
    for (const { reject } of this.#waiting.values()) reject(error)
    this.#waiting.clear()
    if (isFirst) this.#onEnd?.(error)
  }
}
