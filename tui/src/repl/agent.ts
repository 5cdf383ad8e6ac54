import { Session } from 'node:inspector'
import { Socket } from 'node:net'
import { parentPort, workerData } from 'node:worker_threads'
import { lineReader } from './protocol.ts'

/**
 * The engine's second thread. It carries lines between the UI (file descriptor 3) and the main thread, and it is the one that
 * can act while user code holds the main thread: it ends code that does not answer an interrupt, and the engine when the UI is gone.
 */

/** How long the main thread may take to notice an interrupt before what it runs is terminated. */
const noticeMs = 12

/** Serves one engine, for as long as its process lives. */
function serve(noticed: Int32Array): void {
  const ui = new Socket({ fd: 3, readable: true, writable: true })
  let interrupts = 0

  /** Asks; terminates what does not listen; asks again, because terminating drops what the main thread had in hand. */
  const interrupt = (line: string): void => {
    const mine = ++interrupts
    const insist = (): void => {
      parentPort?.postMessage({ line, interrupt: mine })
      setTimeout(() => {
        if (Atomics.load(noticed, 0) >= mine) return
        terminate()
        setTimeout(() => Atomics.load(noticed, 0) < mine && insist(), noticeMs)
      }, noticeMs)
    }
    insist()
  }

  ui.setEncoding('utf8')
  ui.on(
    'data',
    lineReader((line) => {
      if (line.includes('"op":"interrupt"')) interrupt(line)
      else parentPort?.postMessage({ line })
    }),
  )
  ui.on('close', () => process.kill(process.pid, 'SIGKILL'))
  ui.on('error', () => process.kill(process.pid, 'SIGKILL'))
  parentPort?.on('message', (line: string) => ui.write(`${line}\n`))
}

/** Connected for this only: with a session open, Node would wait at exit for it to be closed, and say so on stderr. */
function terminate(): void {
  const session = new Session()
  session.connectToMainThread()
  session.post('Runtime.terminateExecution', () => session.disconnect())
}

// Handed over by engine-main.ts
const { noticed } = workerData as { readonly noticed: Int32Array }
serve(noticed)
