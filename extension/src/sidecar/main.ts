import { enableCompileCache } from 'node:module'
import { Writable } from 'node:stream'
import { format } from 'node:util'
import { ErrorCodes, type MessageConnection, ResponseError } from 'vscode-jsonrpc'
import { createMessageConnection, StreamMessageReader, StreamMessageWriter } from 'vscode-jsonrpc/node'
import { type Editor, editorOf } from './editor.ts'
import * as protocol from './protocol.ts'
import { Sidecar } from './sidecar.ts'
import { messageOf, Texts } from './texts.ts'

// The sidecar's process: JSON-RPC on stdin and stdout, for one editor window. It ends with its stdin, with all that it started.

const longestFarewellMs = 8000

function main(): void {
  enableCompileCache?.()
  const texts = new Texts()
  const connection = createMessageConnection(new StreamMessageReader(process.stdin), new StreamMessageWriter(wire()))
  const editor = editorOf((type, params) => connection.sendNotification(type.method, params), texts)
  captureConsole(editor)
  const session = new Session(connection, editor, texts)
  const end = (): void => void session.end()
  connection.onClose(end)
  process.stdin.once('end', end)
  process.stdin.once('close', end)
  process.on('disconnect', end)
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, end)
  process.on('uncaughtException', (error) => editor.log('error', error.stack ?? String(error)))
  process.on('unhandledRejection', (reason) => editor.log('error', `Unhandled: ${messageOf(reason)}`))
  session.listen()
}

class Session {
  readonly #connection: MessageConnection
  readonly #editor: Editor
  readonly #texts: Texts
  #sidecar: Sidecar | undefined
  #ending: Promise<void> | undefined

  constructor(connection: MessageConnection, editor: Editor, texts: Texts) {
    this.#connection = connection
    this.#editor = editor
    this.#texts = texts
  }

  listen(): void {
    const { run, cancelRun, startWorker, stopWorker, inspectWorker, fullText } = protocol
    const wire = this.#connection
    wire.onRequest(protocol.initialize, (params) => this.#answer(() => this.#initialize(params)))
    wire.onRequest(run, (params) => this.#answer(() => this.#started.run(params)))
    wire.onRequest(cancelRun, ({ runId }) => this.#answer(() => this.#started.cancelRun(runId)))
    wire.onRequest(startWorker, ({ target }) => this.#answer(() => this.#started.startWorker(target)))
    wire.onRequest(stopWorker, (params) => this.#answer(() => this.#started.stopWorker(params)))
    wire.onRequest(inspectWorker, (params) => this.#answer(() => this.#started.inspectWorker(params)))
    wire.onRequest(fullText, (params) => this.#answer(() => this.#started.fullText(params)))
    wire.onNotification(protocol.bufferChanged, (params) => this.#sidecar?.bufferChanged(params))
    wire.onNotification(protocol.bufferClosed, ({ file }) => this.#sidecar?.bufferClosed(file))
    wire.onNotification(protocol.filesChanged, (params) => this.#sidecar?.filesChanged(params))
    wire.onNotification(protocol.aboutToRun, (params) => this.#sidecar?.aboutToRun(params))
    wire.onNotification(protocol.watchLive, ({ visible }) => this.#sidecar?.watchLive(visible))
    wire.onNotification(protocol.refresh, () => this.#sidecar?.refresh())
    wire.listen()
  }

  /** Idempotent; the process is gone afterwards. */
  end(): Promise<void> {
    this.#ending ??= this.#end()
    return this.#ending
  }

  async #end(): Promise<void> {
    setTimeout(() => process.exit(1), longestFarewellMs)
    await this.#sidecar?.close().catch(() => undefined)
    process.exit(0)
  }

  #initialize(params: protocol.InitializeParams): protocol.InitializeResult {
    const { protocolVersion } = protocol
    if (params.protocolVersion !== protocolVersion) {
      throw new Error(
        `The editor speaks version ${params.protocolVersion} of the sidecar's protocol, this sidecar version ${protocolVersion}. Reload the window, or install the extension anew.`,
      )
    }
    if (this.#sidecar) throw new Error('The sidecar is initialized already.')
    const { trusted, brokerUrl } = params
    for (const url of [brokerUrl, process.env['TQ_BROKER_URL'], process.env['TQ_RESULT_BACKEND']])
      this.#texts.learn(url)
    // As `--broker` of the command line: it wins over what apps and environment say, in all that is started from here.
    if (trusted && brokerUrl !== undefined) process.env['TQ_BROKER_URL'] = brokerUrl
    const sidecar = new Sidecar(params, { editor: this.#editor, texts: this.#texts })
    this.#sidecar = sidecar
    this.#editor.log('info', `Sidecar: pid ${process.pid}, Node ${process.version} (${process.execPath}).`)
    setImmediate(() => sidecar.start())
    return { pid: process.pid, node: process.version }
  }

  get #started(): Sidecar {
    if (this.#sidecar && !this.#ending) return this.#sidecar
    throw new Error('The sidecar is not initialized.')
  }

  /** Errors reach the editor as sentences fit to be shown. */
  async #answer<R>(work: () => R | Promise<R>): Promise<R> {
    try {
      return await work()
    } catch (error) {
      throw new ResponseError<void>(ErrorCodes.InternalError, this.#texts.error(error, 1000))
    }
  }
}

/** Standard output for the protocol alone; whatever else is written there would break it. */
function wire(): Writable {
  const write = process.stdout.write.bind(process.stdout)
  const stream = new Writable({
    write(chunk: Uint8Array, _encoding, done) {
      write(chunk, done)
    },
  })
  stream.on('error', () => undefined)
  process.stdout.on('error', () => undefined)
  return stream
}

function captureConsole(editor: Editor): void {
  const levels = { log: 'info', info: 'info', debug: 'debug', warn: 'warn', error: 'error', trace: 'debug' } as const
  for (const [name, level] of Object.entries(levels)) {
    Reflect.set(console, name, (...parts: readonly unknown[]) => editor.log(level, format(...parts)))
  }
  const swallow = (chunk: Uint8Array | string): boolean => {
    editor.log('debug', typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString())
    return true
  }
  Reflect.set(process.stdout, 'write', swallow)
}

main()
