import { Worker } from 'node:worker_threads'
import type { FromChild, SpawnChild, SpawnOptions, ToChild } from './child.ts'

const longestSaid = 4000

/** Children as threads of this process: cheaper than processes; a task can be ended, native code that hangs cannot. */
export function spawnThreads({ entry, setup }: SpawnOptions): SpawnChild {
  return (events) => {
    const thread = new Worker(entry)
    let said = ''
    thread.on('message', (message) => events.onMessage(message as FromChild)) // our own entry speaks this
    thread.on('messageerror', (error) => (said += error.message))
    thread.on('error', (error) => {
      said = `${said}${error instanceof Error ? (error.stack ?? error.message) : String(error)}`.slice(-longestSaid)
    })
    thread.once('exit', (code) => events.onEnd({ code, signal: null, said }))
    const send = (message: ToChild): void => thread.postMessage(message)
    send({ op: 'setup', setup })
    return {
      pid: process.pid,
      canIgnore: false,
      send,
      kill: () => void thread.terminate(),
    }
  }
}
