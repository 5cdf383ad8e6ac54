import { closest, distance } from 'fastest-levenshtein'
import { QueueNotFoundError, SettingError } from '../core/errors.ts'
import type { BindingOptions, ExchangeKind, QueueOptions, QueueSettings } from '../core/routing.ts'
import type { Settings } from '../core/settings.ts'
import type { Exchange, Queue, Topology } from '../transports/topology.ts'
import { broadcastQueueName, queueArguments, workerOfQueue, workerQueueNames } from '../wire/queue-names.ts'

/** A queue as senders and workers know it: by its name, however many bindings it has. */
export interface TaskQueue {
  readonly name: string
  /** Where a message for this queue is published, and with which key. */
  readonly exchange: Exchange
  readonly routingKey: string
  /** The queue once for each binding; of a broadcast queue none: each consumer has its own. */
  readonly bindings: readonly Queue[]
  readonly broadcast: boolean
}

/**
 * The queues of an app: those of `taskQueues`, or the default queue alone, and every other one that is asked for as long as
 * `taskCreateMissingQueues` is on. Source: celery/app/amqp.py, Queues (5.6); AMQP.Queues.
 */
export class QueueTable {
  readonly #settings: Settings
  readonly #configured = new Map<string, TaskQueue>()
  readonly #missing = new Map<string, TaskQueue>()

  /** Throws SettingError for queues that make no sense. */
  constructor(settings: Settings) {
    this.#settings = settings
    for (const options of queueList(settings.taskQueues)) this.#add(options)
    if (this.#configured.size === 0) this.#add(this.#defaultQueue())
  }

  /** Names of the configured queues, in their order: what a worker consumes that is told nothing else. */
  get names(): readonly string[] {
    return [...this.#configured.keys()]
  }

  /** Throws QueueNotFoundError for one that is neither configured nor may be created. */
  get(name: string): TaskQueue {
    const known = this.#configured.get(name) ?? this.#missing.get(name)
    if (known) return known
    const created = this.#create(name)
    this.#missing.set(name, created)
    return created
  }

  /** For remote control: a queue that is consumed from now on, with an exchange of its own. */
  add(name: string, binding: { exchange?: string; exchangeType?: ExchangeKind; routingKey?: string }): TaskQueue {
    const known = this.#configured.get(name)
    if (known) return known
    const { exchange = name, exchangeType = 'direct', routingKey = name } = binding
    const added = this.#build({ name, exchange, exchangeType, routingKey })
    this.#missing.set(name, added)
    return added
  }

  /** What must be declared before a message is published to the queue. */
  topology(name: string): Topology {
    const { exchange, bindings, broadcast } = this.get(name)
    return broadcast ? { queues: [], exchanges: [exchange] } : { queues: bindings }
  }

  /** What a consumer declares and consumes: of a broadcast queue one with `id` in its name, which goes with the consumer. */
  consumed(name: string, id: string): readonly Queue[] {
    const { exchange, routingKey, bindings, broadcast } = this.get(name)
    if (!broadcast) return bindings
    return [{ name: broadcastQueueName(id), exchange, routingKey, durable: true, autoDelete: true }]
  }

  #defaultQueue(): QueueOptions {
    const { taskDefaultQueue: name, taskDefaultQueueType: queueType } = this.#settings
    return { name, queueType }
  }

  #add(options: QueueOptions): void {
    if (this.#configured.has(options.name)) {
      throw new SettingError(`taskQueues names '${options.name}' twice. Give one of them another name.`)
    }
    this.#configured.set(options.name, this.#build(options))
  }

  #create(name: string): TaskQueue {
    const { taskCreateMissingQueues, taskCreateMissingQueueType, taskCreateMissingQueueExchangeType } = this.#settings
    // One worker's own queue belongs to that worker, not to any configuration.
    const hostname = workerOfQueue(name)
    if (hostname !== undefined) {
      const { exchange, routingKey } = workerQueueNames(hostname)
      return this.#build({ name, exchange, routingKey })
    }
    if (!taskCreateMissingQueues) throw new QueueNotFoundError(name, this.names, nearest(name, this.names))
    return this.#build({
      name,
      exchange: name,
      exchangeType: taskCreateMissingQueueExchangeType,
      routingKey: name,
      queueType: taskCreateMissingQueueType,
    })
  }

  #build(options: QueueOptions): TaskQueue {
    const { name, broadcast = false } = options
    const { taskDefaultRoutingKey, taskDefaultQueue, taskQueueMaxPriority } = this.#settings
    const exchange = broadcast ? broadcastExchange(options) : this.#exchange(options)
    const routingKey = options.routingKey ?? taskDefaultRoutingKey ?? taskDefaultQueue
    const args = {
      ...queueArguments({
        expiresSeconds: options.expires,
        messageTtlSeconds: options.messageTtl,
        maxLength: options.maxLength,
        maxLengthBytes: options.maxLengthBytes,
        maxPriority: options.maxPriority ?? taskQueueMaxPriority,
        queueType: options.queueType,
      }),
      ...options.arguments,
    }
    const first: Queue = {
      name,
      exchange,
      routingKey,
      bindingArguments: options.bindingArguments,
      arguments: Object.keys(args).length === 0 ? undefined : args,
      durable: options.durable,
      autoDelete: options.autoDelete,
    }
    const further = (options.bindings ?? []).map((binding) => ({ ...first, ...bound(binding) }))
    return { name, exchange, routingKey, bindings: broadcast ? [] : [first, ...further], broadcast }
  }

  #exchange({ exchange, exchangeType }: QueueOptions): Exchange {
    const { taskDefaultExchange, taskDefaultExchangeType, taskDefaultQueue } = this.#settings
    const own = taskDefaultExchange ?? taskDefaultQueue
    const name = exchange ?? own
    return { name, type: exchangeType ?? (name === own ? taskDefaultExchangeType : 'direct') }
  }
}

function broadcastExchange({ name, exchange = name, exchangeType = 'fanout' }: QueueOptions): Exchange {
  return { name: exchange, type: exchangeType }
}

function bound({
  exchange,
  exchangeType = 'direct',
  routingKey,
  bindingArguments,
}: BindingOptions): Pick<Queue, 'exchange' | 'routingKey' | 'bindingArguments'> {
  return { exchange: { name: exchange, type: exchangeType }, routingKey, bindingArguments }
}

const optionNames: Readonly<Record<keyof QueueOptions, true>> = {
  name: true,
  exchange: true,
  exchangeType: true,
  routingKey: true,
  bindingArguments: true,
  bindings: true,
  arguments: true,
  maxPriority: true,
  queueType: true,
  expires: true,
  messageTtl: true,
  maxLength: true,
  maxLengthBytes: true,
  durable: true,
  autoDelete: true,
  broadcast: true,
}

/** A bare name is a queue on a direct exchange of its own, as one that was not configured. */
function queueList(queues: QueueSettings | undefined): readonly QueueOptions[] {
  if (queues === undefined) return []
  const list = isList(queues)
    ? queues.map((queue) =>
        typeof queue === 'string' ? { name: queue, exchange: queue, routingKey: queue, exchangeType: direct } : queue,
      )
    : Object.entries(queues).map(([name, queue]) => ({ name, ...queue }))
  for (const options of list) check(options)
  return list
}

const direct: ExchangeKind = 'direct'

function check(options: QueueOptions): void {
  const { name, exchangeType = direct, maxPriority = 1 } = options
  if (typeof name !== 'string' || name === '') {
    throw new SettingError(`expected each of taskQueues to be a name or to have one, got ${JSON.stringify(options)}`)
  }
  for (const key of Object.keys(options)) {
    if (Object.hasOwn(optionNames, key)) continue
    const near = nearest(key, Object.keys(optionNames))
    throw new SettingError(
      `There is no option '${key}' of a queue ('${name}' in taskQueues).${near ? ` Did you mean '${near}'?` : ''}`,
    )
  }
  if (!exchangeKinds.includes(exchangeType)) {
    throw new SettingError(
      `expected exchangeType of queue '${name}' to be 'direct', 'topic', 'fanout' or 'headers', got '${exchangeType}'`,
    )
  }
  if (!Number.isInteger(maxPriority) || maxPriority < 1 || maxPriority > 255) {
    throw new SettingError(
      `expected maxPriority of queue '${name}' to be a whole number from 1 to 255, got ${maxPriority}`,
    )
  }
}

const exchangeKinds: readonly string[] = ['direct', 'topic', 'fanout', 'headers']

/** The known name that was probably meant, undefined where none is near. */
function nearest(name: string, known: readonly string[]): string | undefined {
  if (known.length === 0) return undefined
  const near = closest(name, known)
  return distance(name, near) <= Math.max(2, name.length / 3) ? near : undefined
}

// Array.isArray does not know readonly arrays.
function isList<T>(value: readonly T[] | object): value is readonly T[] {
  return Array.isArray(value)
}
