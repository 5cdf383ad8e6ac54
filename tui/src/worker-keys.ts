import type { WorkerView } from 'tq-runtime/monitor'
import type { KeyContext } from './key-context.ts'
import type { Intent } from './keymap.ts'
import { promptFor, type Purpose } from './state.ts'
import { type Clean, clean, own } from './ui/text.ts'

/** Keys on a worker. */
export class WorkerKeys {
  readonly #keys: KeyContext

  constructor(keys: KeyContext) {
    this.#keys = keys
  }

  /** False for keys that mean nothing here. */
  key(intent: Intent, worker: WorkerView): boolean {
    const { workers } = this.#keys.commands
    const { hostname } = worker
    const name = clean(hostname)
    switch (intent) {
      case 'inspect':
        this.#keys.inspect(worker)
        return true
      case 'grow':
      case 'shrink':
        this.#keys.run(workers.resizePool(hostname, intent === 'grow' ? 1 : -1))
        return true
      case 'autoscale':
        return this.#ask({ to: 'autoscale', worker: hostname }, own`autoscale ${name} (most least): `)
      case 'addQueue':
        return this.#ask({ to: 'addQueue', worker: hostname }, own`${name} consumes the queue: `)
      case 'dropQueue':
        return this.#ask({ to: 'dropQueue', worker: hostname }, own`${name} no longer consumes the queue: `)
      case 'rateLimit':
        return this.#ask({ to: 'rateLimit', worker: hostname }, own`rate limit on ${name} (task 10/m; 0 for none): `)
      case 'timeLimit':
        return this.#ask(
          { to: 'timeLimit', worker: hostname },
          own`time limits on ${name} (task soft hard, in seconds): `,
        )
      case 'shutdown':
        this.#keys.ui({
          question: {
            text: own`Shut ${name} down, once it has finished what runs?`,
            act: { do: 'shutdown', worker: hostname },
          },
        })
        return true
      case 'coldShutdown':
        return this.#ask({ to: 'coldShutdown', worker }, own`type ${name} to end it at once, with what runs: `)
      default:
        return false
    }
  }

  #ask(purpose: Purpose, label: Clean): true {
    this.#keys.ui({ prompt: promptFor(purpose, label, '') })
    return true
  }
}
