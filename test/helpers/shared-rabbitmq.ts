import { type ChildProcess, spawn } from 'node:child_process'
import { rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { type NodePlan, planNode } from './rabbitmq-node.ts'
import { signalGroup } from './process-group.ts'

/** Where the test files ask for the shared node. */
export const sharedNodeVariable = 'TQ_TEST_RABBITMQ'

/**
 * Vitest's global setup: one RabbitMQ for the whole run, since a node takes seconds to start. It is started when the first test file
 * asks for it, so that a run without such tests costs nothing.
 */
export async function setup(): Promise<() => Promise<void>> {
  const node = new SharedNode()
  const door = createServer((_, answer) => {
    node.start().then(
      (plan) => answer.end(JSON.stringify(plan)),
      (error: unknown) => answer.writeHead(500).end(String(error)),
    )
  })
  await new Promise<void>((resolve) => door.listen(0, '127.0.0.1', resolve))
  process.env[sharedNodeVariable] = addressOf(door)
  const stop = (): void => node.stop()
  process.once('exit', stop)
  return async () => {
    process.off('exit', stop)
    stop()
    door.closeAllConnections()
    door.close()
  }
}

class SharedNode {
  #starting: Promise<NodePlan> | undefined
  #folder: string | undefined
  readonly #children: ChildProcess[] = []

  start(): Promise<NodePlan> {
    this.#starting ??= this.#start()
    return this.#starting
  }

  stop(): void {
    for (const { pid } of this.#children) if (pid !== undefined) signalGroup(pid, 'SIGKILL')
    if (this.#folder !== undefined) rmSync(this.#folder, { recursive: true, force: true, maxRetries: 5 })
  }

  async #start(): Promise<NodePlan> {
    const plan = await planNode()
    this.#folder = plan.folder
    const env = { ...process.env, ...plan.env }
    const [command, ...args] = plan.epmd
    this.#children.push(spawn(command, args, { env, detached: true, stdio: 'ignore' }))
    const server = spawn(plan.server, [], { cwd: plan.folder, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
    this.#children.push(server)
    let output = ''
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.once('exit', () => reject(new Error(`rabbitmq-server ended: ${output.slice(-2000)}`)))
      for (const stream of [server.stdout, server.stderr]) {
        stream.setEncoding('utf8').on('data', (text: string) => {
          if (output.length < 1_000_000) output += text
          if (output.includes(plan.ready)) resolve()
        })
      }
    })
    return plan
  }
}

function addressOf(door: Server): string {
  const address = door.address()
  if (typeof address !== 'object' || address === null) throw new Error('the door has no address')
  return `http://127.0.0.1:${address.port}/`
}
