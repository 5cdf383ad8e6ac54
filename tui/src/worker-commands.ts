import { hostname as thisHost } from 'node:os'
import type { Clock, Tq } from 'tq-runtime'
import { describeWorker, type Ok, type Replies, type WorkerView } from 'tq-runtime/monitor'
import { answerMs, answersOf, type CommandLog } from './command-log.ts'
import type { Store } from './store.ts'
import type { TimeLimits } from './task-commands.ts'
import { type Clean, clean, own } from './ui/text.ts'

export interface WorkerCommandsDeps {
  readonly store: Store
  readonly log: CommandLog
  readonly clock: Clock
  /** The size of its pool may have changed. */
  readonly onResized: (hostname: string) => void
}

/** What can be done to workers; each tells in the command log what they answered, a refusal too. */
export class WorkerCommands {
  readonly #deps: WorkerCommandsDeps

  constructor(deps: WorkerCommandsDeps) {
    this.#deps = deps
  }

  async shutdown(hostname: string): Promise<void> {
    await this.#deps.log.run(clean(`tq control shutdown -d ${hostname}`), async (app) => {
      await app.control.shutdown({ destination: [hostname] })
      return own`sent: it finishes what runs, then ends`
    })
  }

  /**
   * Ends a worker at once; what it held is delivered again. There is no remote command for that in Celery's protocol: its process is
   * told by SIGQUIT, so it must be one of this machine.
   */
  async coldShutdown({ hostname, pid }: WorkerView): Promise<void> {
    await this.#deps.log.run(clean(`kill -QUIT ${pid}`), async () => {
      const host = hostname.slice(hostname.indexOf('@') + 1)
      if (host !== thisHost()) throw new Error(`${hostname} runs elsewhere: on ${host}, kill -QUIT ${pid} ends it.`)
      process.kill(pid, 'SIGQUIT')
      return own`sent: it ends at once`
    })
  }

  async resizePool(hostname: string, by: 1 | -1): Promise<void> {
    const command = by > 0 ? 'pool_grow' : 'pool_shrink'
    await this.#ask(`${command} 1`, hostname, (app, options) =>
      by > 0 ? app.control.poolGrow(1, options) : app.control.poolShrink(1, options),
    )
    this.#deps.onResized(hostname)
  }

  async autoscale(hostname: string, max: number, min: number): Promise<void> {
    await this.#ask(`autoscale ${max} ${min}`, hostname, (app, options) => app.control.autoscale(max, min, options))
    this.#deps.onResized(hostname)
  }

  async addQueue(hostname: string, queue: string): Promise<void> {
    await this.#ask(`add_consumer ${queue}`, hostname, (app, options) => app.control.addConsumer(queue, options))
  }

  async dropQueue(hostname: string, queue: string): Promise<void> {
    await this.#ask(`cancel_consumer ${queue}`, hostname, (app, options) => app.control.cancelConsumer(queue, options))
  }

  /** `rate` as `10/s`, `10/m` or `10/h`; 0 lifts it. Without a worker: on all of them. */
  async rateLimit(task: string, rate: string, hostname?: string): Promise<void> {
    await this.#ask(`rate_limit ${task} ${rate}`, hostname, (app, options) =>
      app.control.rateLimit(task, rate, options),
    )
  }

  /** Without a worker: on all of them. */
  async timeLimit(task: string, limits: TimeLimits, hostname?: string): Promise<void> {
    const shown = `${limits.soft ?? 'none'} ${limits.hard ?? 'none'}`
    await this.#ask(`time_limit ${task} ${shown}`, hostname, (app, options) =>
      app.control.timeLimit(task, limits, options),
    )
  }

  /** Pings the worker and asks what it is doing; the answers become its detail. */
  async inspect(hostname: string): Promise<void> {
    await this.#deps.log.run(clean(`tq inspect -d ${hostname}`), (app) => this.#look(app, hostname))
  }

  async #look(app: Tq, hostname: string): Promise<Clean> {
    const { store, clock } = this.#deps
    const { pongMs, lines: told } = await describeWorker(app, hostname, answerMs)
    const lines = told.map(clean)
    store.dispatch({ on: 'inspected', worker: hostname, inspected: { atMs: clock.now(), lines } })
    return clean(`pong in ${pongMs} ms`)
  }

  async #ask(
    command: string,
    hostname: string | undefined,
    send: (app: Tq, options: ReplyOptions) => Promise<Replies<Ok>>,
  ): Promise<void> {
    const whom = hostname === undefined ? '' : ` -d ${hostname}`
    await this.#deps.log.run(clean(`tq control ${command}${whom}`), async (app) => {
      const destination = hostname === undefined ? undefined : [hostname]
      const replies = await send(app, { destination, timeoutMs: answerMs })
      // What it said of itself before may be old by now.
      if (hostname !== undefined && this.#deps.store.get().inspected.has(hostname)) await this.#look(app, hostname)
      return answersOf(replies, ({ ok }) => ok)
    })
  }
}

/** The part that keys use. */
export type WorkerActions = Pick<WorkerCommands, keyof WorkerCommands>

interface ReplyOptions {
  readonly destination?: readonly string[] | undefined
  readonly timeoutMs: number
}
