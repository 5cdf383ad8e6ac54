/** Kinds of exchange that tq routes by. `headers`, which goes by the headers of a message, exists on RabbitMQ alone. */
export type ExchangeKind = 'direct' | 'topic' | 'fanout' | 'headers'

/** One queue of the setting `taskQueues`. Seconds where the name is kombu's. */
export interface QueueOptions {
  readonly name: string
  /** Default the setting `taskDefaultExchange`. */
  readonly exchange?: string | undefined
  /** Default `taskDefaultExchangeType` for the default exchange, `direct` for any other. */
  readonly exchangeType?: ExchangeKind | undefined
  /** The binding's key, with `*` and `#` on a topic exchange; default the setting `taskDefaultRoutingKey`. */
  readonly routingKey?: string | undefined
  /**
   * RabbitMQ: what a `headers` exchange compares, `{ 'x-match': 'any', format: 'pdf' }`; calls say theirs in their option `headers`.
   */
  readonly bindingArguments?: Readonly<Record<string, unknown>> | undefined
  /** Further bindings of the same queue. */
  readonly bindings?: readonly BindingOptions[] | undefined
  /** Broker arguments as they are, e.g. `x-dead-letter-exchange` (RabbitMQ). */
  readonly arguments?: Readonly<Record<string, unknown>> | undefined
  /** RabbitMQ keeps so many priorities apart (1 to 255); default the setting `taskQueueMaxPriority`. */
  readonly maxPriority?: number | undefined
  /** RabbitMQ: `quorum` or `classic`. */
  readonly queueType?: 'classic' | 'quorum' | undefined
  /** RabbitMQ: the queue goes when nobody used it for so long (s). */
  readonly expires?: number | undefined
  /** RabbitMQ: messages are dropped or dead-lettered after so long (s). */
  readonly messageTtl?: number | undefined
  readonly maxLength?: number | undefined
  readonly maxLengthBytes?: number | undefined
  readonly durable?: boolean | undefined
  /** Goes with its last consumer. */
  readonly autoDelete?: boolean | undefined
  /**
   * Every worker that consumes it has a queue of its own, and so runs every task that is sent to it. The exchange is a fanout of
   * the same name unless said otherwise. Source: kombu/common.py, Broadcast.
   */
  readonly broadcast?: boolean | undefined
}

export interface BindingOptions {
  readonly exchange: string
  /** Default `direct`. */
  readonly exchangeType?: ExchangeKind | undefined
  readonly routingKey: string
  readonly bindingArguments?: Readonly<Record<string, unknown>> | undefined
}

/** The setting `taskQueues`: names and options, in a list or by name. */
export type QueueSettings = readonly (string | QueueOptions)[] | Readonly<Record<string, Omit<QueueOptions, 'name'>>>

/** What a route may say of a call. Anything the call itself or its task says wins over it. */
export interface RouteOptions {
  readonly queue?: string | undefined
  readonly exchange?: string | undefined
  readonly exchangeType?: ExchangeKind | undefined
  readonly routingKey?: string | undefined
  readonly priority?: number | undefined
  readonly serializer?: string | undefined
  readonly compression?: string | undefined
}

/** A queue's name, or more than that. */
export type RouteTarget = string | RouteOptions

/** Decides by the whole call; undefined leaves it to the next router. */
export type RouteFunction = (
  name: string,
  args: readonly unknown[],
  kwargs: Readonly<Record<string, unknown>>,
  options: Readonly<Record<string, unknown>>,
) => RouteTarget | null | undefined

/** A task's name, a glob with `*`, or a regular expression, and where those tasks go. */
export type RoutePair = readonly [pattern: string | RegExp, target: RouteTarget]

/** One router: targets by name or glob, pairs in the order in which they are tried, or a function. */
export type TaskRouter = Readonly<Record<string, RouteTarget>> | readonly RoutePair[] | RouteFunction

/** The setting `taskRoutes`: one router, or several; the first that knows a task decides. Pairs may stand in the list themselves. */
export type TaskRoutes = TaskRouter | readonly (TaskRouter | RoutePair)[]
