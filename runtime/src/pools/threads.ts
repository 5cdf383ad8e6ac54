import { Worker } from 'node:worker_threads'
import {
  childEnvironment,
  ChildNumbers,
  type FromChild,
  type SpawnChild,
  type SpawnOptions,
  type ToChild,
} from './child.ts'

const longestSaid = 4000

/** Children as threads of this process: cheaper than processes; a task can be ended, native code that hangs cannot. */
export function spawnThreads({ entry, setup, onOutput }: SpawnOptions): SpawnChild {
  const say = onOutput ?? ((text: string) => void process.stderr.write(text))
  const numbers = new ChildNumbers()
  return (events) => {
    const index = numbers.take()
    const thread = new Worker(entry, { stderr: true, env: childEnvironment() })
    thread.stderr.setEncoding('utf8').on('data', say)
    let said = ''
    thread.on('message', (message) => events.onMessage(message as FromChild)) // our own entry speaks this
    thread.on('messageerror', (error) => (said += error.message))
    thread.on('error', (error) => {
      said = `${said}${error instanceof Error ? (error.stack ?? error.message) : String(error)}`.slice(-longestSaid)
    })
    thread.once('exit', (code) => {
      numbers.free(index)
      events.onEnd({ code, signal: null, said })
    })
    const send = (message: ToChild): void => thread.postMessage(message)
    send({ op: 'setup', setup, index })
    return {
      pid: process.pid,
      canIgnore: false,
      send,
      kill: () => void thread.terminate(),
    }
  }
}
