import { enableCompileCache } from 'node:module'
import { ScanError } from '../core/errors.ts'
import type { ScanReply, ScanRequest } from './scan-protocol.ts'
import { Scanner } from './scanner.ts'
import type { ScanDiff, ScanResult } from './task-info.ts'

// The process that scans: one folder each, started by ScanClient. It ends with its parent.

enableCompileCache?.()

interface Queued {
  readonly request: ScanRequest
  readonly ids: readonly number[]
}

/** Serves one client: one request at a time, in order. Of several texts of one file that wait, only the newest is looked at. */
class Host {
  readonly #send: (reply: ScanReply) => void
  #scanner: Scanner | undefined
  #queue: Queued[] = []
  #busy = false

  constructor(send: (reply: ScanReply) => void) {
    this.#send = send
  }

  take(request: ScanRequest): void {
    this.#queue.push({ request, ids: [request.id] })
    if (!this.#busy) void this.#work()
  }

  async #work(): Promise<void> {
    this.#busy = true
    // What came in together is seen together.
    await new Promise((resolve) => setImmediate(resolve))
    for (let next = this.#next(); next; next = this.#next()) {
      const { request, ids } = next
      try {
        const result = await this.#answer(request)
        for (const id of ids) this.#send({ id, result })
        if (request.method === 'open') this.#settle()
      } catch (error) {
        const text =
          error instanceof ScanError
            ? error.message
            : error instanceof Error
              ? (error.stack ?? error.message)
              : String(error)
        for (const id of ids) this.#send({ id, error: text })
      }
      await new Promise((resolve) => setImmediate(resolve))
    }
    this.#busy = false
  }

  #next(): Queued | undefined {
    const first = this.#queue.shift()
    if (first?.request.method !== 'change') return first
    const { file } = first.request.params
    let newest = first.request
    const ids = [...first.ids]
    const rest: Queued[] = []
    let blocked = false
    for (const one of this.#queue) {
      const { request } = one
      const isLater = request.method === 'change' && request.params.file === file
      if (isLater && !blocked) {
        newest = request
        ids.push(...one.ids)
      } else rest.push(one)
      // Closing it or another look at the disk must stay between the texts around it.
      if (request.method !== 'change') blocked = true
    }
    this.#queue = rest
    return { request: newest, ids }
  }

  async #answer(request: ScanRequest): Promise<ScanDiff | ScanResult> {
    if (request.method === 'open') {
      this.#scanner = await Scanner.open(request.params.folder, request.params.options)
      return this.#scanner.snapshot()
    }
    const scanner = this.#scanner
    if (!scanner) throw new ScanError(`Nothing is open yet: call open() before ${request.method}().`)
    switch (request.method) {
      case 'change':
        return scanner.change(request.params.file, request.params.text, request.params.version)
      case 'close':
        return scanner.close(request.params.file)
      case 'fsEvents':
        return scanner.fsEvents(request.params.events)
      case 'snapshot':
        return scanner.snapshot()
      default:
        return request satisfies never
    }
  }

  /** After the answer is out: what makes the next start and the first edit quick. */
  #settle(): void {
    setImmediate(() => {
      this.#scanner?.saveCache()
      try {
        this.#scanner?.warm()
      } catch {
        // Said when something has to be parsed.
      }
    })
  }

  save(): void {
    this.#scanner?.saveCache()
  }
}

function main(): void {
  const host = new Host((reply) => {
    if (process.connected) process.send?.(reply)
  })
  process.on('message', (request: ScanRequest) => host.take(request))
  process.on('disconnect', () => {
    host.save()
    process.exit(0)
  })
  // Ctrl-C in a terminal goes to the whole group; the parent decides when this ends.
  process.on('SIGINT', () => undefined)
}

main()
