import { Worker } from 'node:worker_threads'
import { Engine } from './engine.ts'
import type { EngineEvent, Request } from './protocol.ts'

/**
 * Entry of the engine process: the user's app, evaluation and printing on this thread, the wire on the agent's. It is started by
 * `engine-client.ts` with pipes on stdout and stderr and a socket on file descriptor 3.
 */

const noticed = new Int32Array(new SharedArrayBuffer(4))
const agent = new Worker(new URL(`agent${import.meta.url.slice(import.meta.url.lastIndexOf('.'))}`, import.meta.url), {
  workerData: { noticed },
})
const counts = { out: 0, err: 0 }
countBytes(process.stdout, (bytes) => (counts.out += bytes))
countBytes(process.stderr, (bytes) => (counts.err += bytes))

const send = (message: EngineEvent | { readonly id: number }): void => agent.postMessage(JSON.stringify(message))
const engine = new Engine({ send, counts: () => ({ ...counts }), end: (code) => process.exit(code) })

agent.on('message', (message: { readonly line: string; readonly interrupt?: number }) => {
  if (message.interrupt !== undefined) Atomics.store(noticed, 0, message.interrupt)
  // Written by our own engine client
  void engine.handle(JSON.parse(message.line) as Request)
})
process.on('exit', () => engine.disconnect())
// Ctrl-C in a terminal reaches the whole process group; what it means is for the UI to say.
process.on('SIGINT', () => undefined)
process.on('unhandledRejection', (reason) => engine.report('unhandledRejection', reason))
process.on('uncaughtException', (error) => engine.report('uncaughtException', error))

function countBytes(stream: NodeJS.WriteStream, add: (bytes: number) => void): void {
  const write: unknown = Reflect.get(stream, 'write')
  const counted = (chunk: string | Uint8Array, ...rest: unknown[]): boolean => {
    const encoding = typeof rest[0] === 'string' && Buffer.isEncoding(rest[0]) ? rest[0] : 'utf8'
    add(typeof chunk === 'string' ? Buffer.byteLength(chunk, encoding) : chunk.byteLength)
    return typeof write === 'function' && Reflect.apply(write, stream, [chunk, ...rest]) === true
  }
  Object.defineProperty(stream, 'write', { value: counted, configurable: true, writable: true })
}
