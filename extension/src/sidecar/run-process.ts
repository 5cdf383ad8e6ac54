import type { ChildProcess } from 'node:child_process'
import type { Readable } from 'node:stream'
import { systemClock } from 'tq-runtime'
import type { Editor } from './editor.ts'
import { OutputLimit } from './output.ts'
import type { RunProcesses } from './run-processes.ts'
import type { RunNote, RunOrder } from './run-protocol.ts'
import type { WorkerPlace } from './workers.ts'

export interface RunProcessOptions {
  readonly order: Omit<RunOrder, 'file' | 'app'>
  /** The order is given when this has settled. */
  readonly until: Promise<void>
  readonly place: WorkerPlace
  readonly editor: Editor
  readonly processes: RunProcesses
  /** Ends the process at once. */
  readonly signal: AbortSignal
  readonly onLoaded: (queue: string | undefined) => void
}

/** A task that was not sent, in a sentence and in full. */
export class NotSentError extends Error {
  readonly detail: string

  constructor(message: string, detail: string) {
    super(message)
    this.detail = detail
  }
}

const patienceMs = 15_000
const farewellMs = 1000

/** Sends one task from a process of its own, which is gone afterwards. Resolves with the task's id; rejects with NotSentError. */
export async function sendFromProcess(options: RunProcessOptions): Promise<string> {
  const { order, place, editor, processes, signal } = options
  const { child, node } = await processes.take(place)
  const abort = (): void => void child.kill('SIGKILL')
  signal.addEventListener('abort', abort, { once: true })
  if (signal.aborted) abort()
  editor.log('info', `Run ${order.task}: pid ${child.pid}, Node ${node.version} (${node.execPath}).`)
  const said = listen(child, editor)
  try {
    return await outcomeOf(child, options, said)
  } finally {
    if (!signal.aborted) processes.prepare(place)
    // What it still has to say goodbye to may take a moment, not longer.
    const kill = systemClock.timer(farewellMs, () => child.kill('SIGKILL'), { ref: true })
    child.once('exit', () => kill.cancel())
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) kill.cancel()
  }
}

function outcomeOf(child: ChildProcess, options: RunProcessOptions, said: () => string): Promise<string> {
  const { order, until, place, onLoaded } = options
  return new Promise((resolve, reject) => {
    let isLoaded = false
    const fail = (message: string, detail = said()): void => {
      timer.cancel()
      reject(new NotSentError(message, detail === '' ? message : `${message}\n\n${detail}`))
    }
    const timer = systemClock.timer(
      patienceMs,
      () => {
        child.kill('SIGKILL')
        const seconds = patienceMs / 1000
        fail(
          isLoaded
            ? `The task could not be sent within ${seconds} s; its process was ended.`
            : `The project's code did not finish loading within ${seconds} s and was ended: does a module loop or wait while it is imported?`,
        )
      },
      { ref: true },
    )
    child.on('message', (note: RunNote) => {
      switch (note.on) {
        case 'loaded':
          isLoaded = true
          onLoaded(note.queue)
          break
        case 'sent':
          timer.cancel()
          resolve(note.id)
          break
        case 'failed':
          fail(note.message, note.detail)
          break
        default:
          note satisfies never
      }
    })
    child.once('error', (error) => fail(`The process that sends the task could not be started. ${error.message}`))
    child.once('exit', (code, signal) => {
      const how = signal ?? `code ${code}`
      fail(`The project's code ended the process (${how}) before the task was sent.`)
    })
    const full: RunOrder = { ...order, file: place.file, app: place.app }
    const give = (): void => {
      child.send(full, (error) => {
        if (error) fail(`The process that sends the task does not answer. ${error.message}`)
      })
    }
    until.then(give, give)
  })
}

/** Its output goes to the log; what comes back gives the end of it. */
function listen(child: ChildProcess, editor: Editor): () => string {
  let tail = ''
  const limit = new OutputLimit((text) => editor.log('output', text))
  const hear = (stream: Readable | null): void => {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      tail = `${tail}${text}`.slice(-4000)
      if (limit.take(text)) return
      stream.pause()
      systemClock.timer(100, () => stream.resume())
    })
  }
  hear(child.stdout)
  hear(child.stderr)
  return () => tail.trim()
}
