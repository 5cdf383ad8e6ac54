import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { FromChild, SpawnChild, SpawnOptions, ToChild } from './child.ts'

const longestSaid = 4000

/** Children as processes of their own: a task can be killed, and its memory is returned with its process. */
export function spawnProcesses({ entry, setup }: SpawnOptions): SpawnChild {
  const flags = process.execArgv.filter((flag) => !/^--(?:inspect|input-type|eval|print)/.test(flag))
  return (events) => {
    const child: ChildProcess = fork(fileURLToPath(entry), [], {
      serialization: 'advanced',
      stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
      execArgv: flags,
    })
    let said = ''
    child.stderr?.on('data', (chunk: Buffer) => {
      process.stderr.write(chunk)
      if (said.length < longestSaid) said += chunk.toString()
    })
    child.on('message', (message) => events.onMessage(message as FromChild)) // our own entry speaks this
    let hasEnded = false
    const end = (code: number | null, signal: NodeJS.Signals | null): void => {
      if (hasEnded) return
      hasEnded = true
      events.onEnd({ code, signal, said: said.slice(0, longestSaid) })
    }
    child.once('error', (error) => {
      said += error.message
      if (child.pid === undefined) end(null, null)
    })
    child.once('exit', end)
    // A child that is going away cannot be told anything; its end tells us.
    const send = (message: ToChild): void => void (child.connected && child.send(message, () => undefined))
    send({ op: 'setup', setup })
    return { pid: child.pid ?? 0, canIgnore: true, send, kill: (signal) => void child.kill(signal) }
  }
}
