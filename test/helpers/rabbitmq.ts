import { rmSync } from 'node:fs'
import { type RunningProcess, spawnProcess } from './process.ts'
import {
  createVhost,
  cutConnections,
  evaluateOn,
  type NodePlan,
  planNode,
  type RabbitmqVhost,
} from './rabbitmq-node.ts'
import { sharedNodeVariable } from './shared-rabbitmq.ts'

export type { RabbitmqVhost } from './rabbitmq-node.ts'

/** A running RabbitMQ node. */
export interface RabbitmqNode {
  /** `amqp://guest:guest@127.0.0.1:<port>//` */
  readonly url: string
  readonly port: number
  /** A new, empty vhost that is deleted by its `drop`. */
  vhost(): RabbitmqVhost
  /** Evaluates Erlang on the node, e.g. `application:set_env(rabbit, consumer_timeout, 500)`; returns what it prints. */
  evaluate(erlang: string): string
  /** Ends tq's connections to a vhost without a goodbye; `product` names other clients. */
  cut(vhost: RabbitmqVhost, product?: string): void
}

/** A node of the test's own. */
export interface RabbitmqServer extends RabbitmqNode {
  /** Ends it and its folder; the file that started it must do so. */
  stop(): Promise<void>
  /** Stops the process in its tracks: connections stand, nothing answers. */
  pause(): void
  resume(): void
  /** Kills it without a goodbye; port and data stay for `restart`. */
  kill(): Promise<void>
  /** The same node with what it kept on disk. */
  restart(): Promise<void>
}

/**
 * The one node of this test run, started by the first file that asks and ended with the run. Take a vhost for each test, and
 * leave settings of the node as they were.
 */
export async function sharedRabbitmq(): Promise<RabbitmqNode> {
  const address = process.env[sharedNodeVariable]
  if (address === undefined) throw new Error(`${sharedNodeVariable} is not set: is helpers/shared-rabbitmq.ts set up?`)
  const answer = await fetch(address)
  if (!answer.ok) throw new Error(`RabbitMQ did not start: ${await answer.text()}`)
  return nodeOf((await answer.json()) as NodePlan) // written by shared-rabbitmq.ts
}

/** Starts a node for a test that kills it or bends its settings; takes 4 to 20 seconds. */
export async function startRabbitmq(): Promise<RabbitmqServer> {
  const plan = await planNode()
  const { env, folder } = plan
  const [command, ...args] = plan.epmd
  const epmd = spawnProcess(command, args, { env })
  const start = async (): Promise<RunningProcess> => {
    const started = spawnProcess(plan.server, [], { cwd: folder, env, mayLeaveChildren: true })
    await started.waitForLine(plan.ready, 240_000) // a machine that does much else takes minutes
    return started
  }
  let server = await start()
  return {
    ...nodeOf(plan),
    stop: async () => {
      await server.stop(0)
      await epmd.stop(0)
      rmSync(folder, { recursive: true, force: true })
    },
    pause: () => void process.kill(-server.pid, 'SIGSTOP'),
    resume: () => void process.kill(-server.pid, 'SIGCONT'),
    kill: async () => {
      await server.stop(0)
    },
    restart: async () => {
      await server.stop(0)
      server = await start()
    },
  }
}

function nodeOf(plan: NodePlan): RabbitmqNode {
  return {
    url: `amqp://guest:guest@127.0.0.1:${plan.port}//`,
    port: plan.port,
    vhost: () => createVhost(plan),
    evaluate: (erlang) => evaluateOn(plan, erlang),
    cut: (vhost, product = 'tq') => cutConnections(plan, vhost.name, product),
  }
}
