import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { flagsForChild } from '../core/node-flags.ts'
import {
  childEnvironment,
  ChildNumbers,
  type FromChild,
  type SpawnChild,
  type SpawnOptions,
  type ToChild,
} from './child.ts'

const longestSaid = 4000
// What a process has written is read within moments of its end; a grandchild may hold its pipes open for ever.
const lastWordsMs = 500

/** Children as processes of their own: a task can be killed, and its memory is returned with its process. */
export function spawnProcesses({ entry, setup, clock, onOutput }: SpawnOptions): SpawnChild {
  const say = onOutput ?? ((text: string) => void process.stderr.write(text))
  const numbers = new ChildNumbers()
  return (events) => {
    const index = numbers.take()
    const child: ChildProcess = fork(fileURLToPath(entry), [], {
      serialization: 'advanced',
      stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
      execArgv: flagsForChild(process.execArgv),
      env: childEnvironment(),
    })
    let said = ''
    let isReady = false
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      say(text)
      said = `${said}${text}`.slice(-longestSaid)
    })
    child.on('message', (message) => {
      const heard = message as FromChild // our own entry speaks this
      isReady ||= heard.op === 'ready'
      events.onMessage(heard)
    })
    let hasEnded = false
    const end = (code: number | null, signal: NodeJS.Signals | null): void => {
      if (hasEnded) return
      hasEnded = true
      late?.cancel()
      numbers.free(index)
      events.onEnd({ code, signal, said })
    }
    let late: { cancel(): void } | undefined
    child.once('error', (error) => {
      said += error.message
      if (child.pid === undefined) end(null, null)
    })
    child.once('exit', (code, signal) => {
      // An outcome, or the reason why it could not start, may still be in the pipe.
      late = clock.timer(lastWordsMs, () => end(code, signal))
      child.once('close', () => end(code, signal))
      // Out of memory: it has said so.
      if (!isReady || signal === 'SIGABRT') return
      if (!child.connected) end(code, signal)
      else child.once('disconnect', () => end(code, signal))
    })
    // A child that is going away cannot be told anything; its end tells us.
    const send = (message: ToChild): void => void (child.connected && child.send(message, () => undefined))
    send({ op: 'setup', setup, index })
    return { pid: child.pid ?? 0, canIgnore: true, send, kill: (signal) => void child.kill(signal) }
  }
}
