import { type ChildProcess, spawn } from 'node:child_process'
import { clearTimeout, setTimeout } from 'node:timers'
import type { NotificationType, RequestType } from 'vscode-jsonrpc'
import {
  createMessageConnection,
  Emitter,
  type MessageConnection,
  StreamMessageReader,
  StreamMessageWriter,
} from 'vscode-jsonrpc/node'
import { RestartPolicy } from './restart-policy.ts'
import {
  type BufferParams,
  bufferChanged,
  bufferClosed,
  type Folder,
  initialize,
  protocolVersion,
} from './sidecar/protocol.ts'
import { findNode, type NodeChoice, type NodeFound, type NodeSearch } from './which-node.ts'

/** How the sidecar is to be started, asked for at every start. */
export interface SidecarSetup {
  readonly folders: readonly Folder[]
  readonly trusted: boolean
  readonly brokerUrl: string | undefined
  readonly node: NodeSearch
}

export interface SidecarOptions {
  /** `main.mjs` of the sidecar. */
  readonly entry: string
  readonly setup: () => SidecarSetup
  readonly log: (level: 'debug' | 'info' | 'warn' | 'error', text: string) => void
  readonly now: () => number
}

/**
 * `idle`: not started, nothing to do. `starting` -> `ready`; a sidecar that ends goes back to `starting`, and to `ended` when that
 * happens too often. `noNode`: there is nothing to run it with. `stopped`: for good.
 */
export type SidecarState = 'idle' | 'starting' | 'ready' | 'ended' | 'noNode' | 'stopped'

const startPatienceMs = 20_000
const stopPatienceMs = 2000

/** The sidecar process, kept alive, and the calls to it. */
export class SidecarClient {
  readonly #options: SidecarOptions
  readonly #policy = new RestartPolicy()
  readonly #buffers = new Map<string, BufferParams>()
  readonly #handlers: ((connection: MessageConnection) => void)[] = []
  readonly #stateChanged = new Emitter<SidecarState>()
  readonly onState = this.#stateChanged.event
  #state: SidecarState = 'idle'
  #scanOnly = false
  #node: NodeChoice | undefined
  #child: ChildProcess | undefined
  #connection: MessageConnection | undefined
  #timer: NodeJS.Timeout | undefined
  #turn = 0
  #ending: Promise<void> = Promise.resolve()

  constructor(options: SidecarOptions) {
    this.#options = options
  }

  get state(): SidecarState {
    return this.#state
  }

  /** The only Node there is can find tasks but not run them. */
  get scanOnly(): boolean {
    return this.#scanOnly
  }

  /** What runs the sidecar; undefined where nothing was found, or nothing was looked for yet. */
  get node(): NodeChoice | undefined {
    return this.#node
  }

  /** What the sidecar tells, of this process and of every later one. */
  onNotification<P>(type: NotificationType<P>, handler: (params: P) => void): void {
    this.#handlers.push((connection) => connection.onNotification(type, handler))
  }

  /** Starts it, or starts it anew with what `setup` says now. */
  restart(): void {
    if (this.#state === 'stopped') return
    this.#policy.reset()
    this.#end()
    if (this.#options.setup().folders.length === 0) this.#become('idle')
    else this.#start()
  }

  bufferChanged(buffer: BufferParams): void {
    this.#buffers.set(buffer.file, buffer)
    this.notify(bufferChanged, buffer)
  }

  bufferClosed(file: string): void {
    if (this.#buffers.delete(file)) this.notify(bufferClosed, { file })
  }

  /** Does nothing while there is no sidecar. */
  notify<P>(type: NotificationType<P>, params: P): void {
    if (this.#state === 'ready') void this.#connection?.sendNotification(type.method, params).catch(() => undefined)
  }

  /** Waits for a sidecar that is starting; rejects with Error when there is none. */
  async request<P, R>(type: RequestType<P, R, void>, params: P): Promise<R> {
    await this.#whenSettled()
    const connection = this.#connection
    if (this.#state !== 'ready' || !connection) throw new SidecarGoneError()
    return connection.sendRequest<R>(type.method, params)
  }

  /** Ends it; settles when the process is gone. */
  async stop(): Promise<void> {
    this.#become('stopped')
    this.#end()
    await this.#ending
  }

  #start(): void {
    const turn = ++this.#turn
    this.#become('starting')
    void this.#launch(turn).catch((error: unknown) => {
      if (turn !== this.#turn) return
      this.#options.log('error', `The sidecar did not start: ${reason(error)}`)
      this.#end()
      this.#again()
    })
  }

  async #launch(turn: number): Promise<void> {
    const setup = this.#options.setup()
    const found = await findNode(setup.node)
    if (turn !== this.#turn) return
    this.#say(found)
    const { choice } = found
    this.#node = choice
    if (!choice) {
      this.#become('noNode')
      return
    }
    this.#scanOnly = setup.trusted && choice.scanOnly
    await this.#ending
    if (turn !== this.#turn) return
    const connection = this.#spawn(turn, choice, setup)
    const { folders, brokerUrl } = setup
    const trusted = setup.trusted && !choice.scanOnly
    const params = { protocolVersion, folders, trusted, ...(trusted && brokerUrl !== undefined && { brokerUrl }) }
    const result = await withDeadline(connection.sendRequest(initialize, params), startPatienceMs)
    if (turn !== this.#turn) return
    this.#options.log('info', `Sidecar ${result.pid} runs on Node ${result.node}${trusted ? '' : ', scanner only'}.`)
    this.#become('ready')
    for (const buffer of this.#buffers.values()) this.notify(bufferChanged, buffer)
  }

  #spawn(turn: number, choice: NodeChoice, setup: SidecarSetup): MessageConnection {
    const child = spawn(choice.path, [this.#options.entry], {
      cwd: setup.folders[0]?.path,
      env: { ...process.env, ...choice.env },
      stdio: ['pipe', 'pipe', 'pipe'],
      windowsHide: true,
    })
    this.#child = child
    child.stderr.setEncoding('utf8').on('data', (text: string) => this.#options.log('warn', text.trimEnd()))
    // What is written to a process that has just ended is lost; its end is told below.
    child.stdin.on('error', () => undefined)
    const connection = createMessageConnection(
      new StreamMessageReader(child.stdout),
      new StreamMessageWriter(child.stdin),
    )
    this.#connection = connection
    connection.onError(([error]) => this.#options.log('debug', `Connection to the sidecar: ${error.message}`))
    for (const attach of this.#handlers) attach(connection)
    const ended = (how: string): void => {
      if (turn !== this.#turn) return
      this.#options.log('warn', `The sidecar has ended (${how}).`)
      this.#end()
      this.#again()
    }
    child.once('error', (error) => ended(error.message))
    child.once('exit', (code, signal) => ended(signal ?? `code ${code}`))
    connection.listen()
    return connection
  }

  #again(): void {
    const waitMs = this.#policy.ended(this.#options.now())
    if (waitMs === undefined) {
      this.#options.log('error', 'The sidecar has ended too often and is not started again. Run "tq: Restart".')
      this.#become('ended')
      return
    }
    this.#become('starting')
    this.#timer = setTimeout(() => this.#start(), waitMs)
  }

  /** Nothing of the process that runs now is heard any more. */
  #end(): void {
    this.#turn++
    clearTimeout(this.#timer)
    const child = this.#child
    const connection = this.#connection
    this.#child = undefined
    this.#connection = undefined
    if (child) this.#ending = ended(child)
    connection?.dispose()
    child?.stdin?.destroy()
  }

  #say({ choice, refused }: NodeFound): void {
    for (const { path, version } of refused) {
      this.#options.log('info', `Node not used: ${path} (${version ?? 'it does not start'}); 22.18 or newer is needed.`)
    }
    if (choice) this.#options.log('info', `Node ${choice.version}: ${choice.path} (${choice.origin}).`)
    else this.#options.log('error', 'No Node.js 22.18 or newer was found; set tq.nodePath.')
  }

  #become(state: SidecarState): void {
    if (this.#state === state || (this.#state === 'stopped' && state !== 'stopped')) return
    this.#state = state
    this.#stateChanged.fire(state)
  }

  async #whenSettled(): Promise<void> {
    if (this.#state !== 'starting') return
    await withDeadline(
      new Promise<void>((resolve) => {
        const listener = this.onState((state) => {
          if (state === 'starting') return
          listener.dispose()
          resolve()
        })
      }),
      startPatienceMs,
    )
  }
}

/** There is no sidecar to ask. */
export class SidecarGoneError extends Error {
  override readonly name = 'SidecarGoneError'
}

/** Its input is closed; one that does not go then is ended. */
function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return Promise.resolve()
  return new Promise((resolve) => {
    const timers = [
      setTimeout(() => child.kill(), stopPatienceMs),
      setTimeout(() => {
        child.kill('SIGKILL')
        resolve()
      }, 2 * stopPatienceMs),
    ]
    child.once('exit', () => {
      for (const timer of timers) clearTimeout(timer)
      resolve()
    })
  })
}

function withDeadline<T>(work: Promise<T>, ms: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`it did not answer within ${ms / 1000} s`)), ms)
    work.then(resolve, reject).finally(() => clearTimeout(timer))
  })
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
