/** Options that both sides of a queue must agree on; defaults are kombu's. */
export interface LayoutOptions {
  /** Number of the broker's database; part of channel names, since channels of Redis know no databases. */
  readonly db: number
  /** Transport option `global_keyprefix`: before every key and channel of the broker. */
  readonly globalKeyprefix?: string | undefined
  /** Transport option `sep`. */
  readonly separator?: string | undefined
  /** Transport option `priority_steps`, ascending. */
  readonly prioritySteps?: readonly number[] | undefined
  /** Transport option `fanout_prefix`: false for none; a text may hold `{db}`. */
  readonly fanoutPrefix?: boolean | string | undefined
  /** Transport option `fanout_patterns`: false leaves the routing key out of channel names. */
  readonly fanoutPatterns?: boolean | undefined
  /** Transport options `unacked_key`, `unacked_index_key` and `unacked_mutex_key`. */
  readonly unackedKey?: string | undefined
  readonly unackedIndexKey?: string | undefined
  readonly unackedMutexKey?: string | undefined
  /** Option `global_keyprefix` of the result backend: before every key and channel of results. */
  readonly resultKeyprefix?: string | undefined
}

/** One member of a binding set: which queue gets what. */
export interface Binding {
  readonly routingKey: string
  /** Regular expression of a topic exchange, else empty. */
  readonly pattern: string
  readonly queue: string
}

/** Between a queue's name and its priority step, and inside binding members. Source: kombu/transport/redis.py, Channel.sep. */
export const defaultSeparator = '\x06\x16'

/** Priorities that have a list of their own. Source: kombu/transport/redis.py, PRIORITY_STEPS. */
export const defaultPrioritySteps: readonly number[] = [0, 3, 6, 9]

/** Every key and channel of one broker and its result backend. */
export type RedisLayout = ReturnType<typeof layout>

/**
 * Names of Celery's and kombu's Redis keys, and of tq's own under `tq.`. Keys of results are not under the broker's prefix but
 * under `resultKeyprefix`.
 * Source: kombu/transport/redis.py, Channel, GlobalKeyPrefixMixin; celery/backends/base.py, KeyValueStoreBackend (5.6).
 */
export function layout(options: LayoutOptions) {
  const {
    db,
    globalKeyprefix: prefix = '',
    separator = defaultSeparator,
    prioritySteps = defaultPrioritySteps,
  } = options
  const { fanoutPrefix = true, fanoutPatterns = true } = options
  const channelPrefix = prefix + fanoutStart(fanoutPrefix, db)
  const resultPrefix = resultStart(options.resultKeyprefix ?? '')

  /** The step that a priority is rounded down to; what is outside 0…9 counts as the nearer end. */
  const stepOf = (priority: number): number => {
    const wanted = Math.max(0, Math.min(9, Math.trunc(priority)))
    // As kombu's bisect does it, a priority below the first step falls on the last one.
    let step = prioritySteps.at(-1) ?? 0
    for (const each of prioritySteps) if (each <= wanted) step = each
    return step
  }
  const listOf = (queue: string, step: number): string =>
    step === 0 ? `${prefix}${queue}` : `${prefix}${queue}${separator}${step}`
  const fanoutChannel = (exchange: string, routingKey = ''): string =>
    routingKey !== '' && fanoutPatterns ? `${channelPrefix}${exchange}/${routingKey}` : `${channelPrefix}${exchange}`
  const groupKey = (id: string): string => `${resultPrefix}celery-taskset-meta-${id}`
  const resultKey = (id: string): string => `${resultPrefix}celery-task-meta-${id}`

  return {
    prefix,
    separator,
    prioritySteps,
    stepOf,
    /** List of a queue at a priority: the bare name for step 0, else name + separator + step. Lower is served first. */
    queueKey: (queue: string, priority = 0): string => listOf(queue, stepOf(priority)),
    /** All lists of a queue, most urgent first. */
    queueKeys: (queue: string): readonly string[] => prioritySteps.map((step) => listOf(queue, step)),
    /** Hash: delivery tag to JSON `[envelope, exchange, routing key]`. */
    unackedKey: prefix + (options.unackedKey ?? 'unacked'),
    /** Sorted set: delivery tag by the epoch seconds of its delivery. */
    unackedIndexKey: prefix + (options.unackedIndexKey ?? 'unacked_index'),
    /** Lock of whoever restores what is past its visibility timeout. */
    unackedMutexKey: prefix + (options.unackedMutexKey ?? 'unacked_mutex'),
    /** Set of the exchange's binding members. */
    bindingKey: (exchange: string): string => `${prefix}_kombu.binding.${exchange}`,
    bindingMember: (binding: Binding): string => [binding.routingKey, binding.pattern, binding.queue].join(separator),
    /** Undefined for what is no binding member. A queue's name may hold the separator. */
    parseBindingMember: (member: string): Binding | undefined => {
      const [routingKey, pattern, ...queue] = member.split(separator)
      if (routingKey === undefined || pattern === undefined || queue.length === 0) return undefined
      return { routingKey, pattern, queue: queue.join(separator) }
    },
    /** Channel that a fanout exchange publishes on. */
    fanoutChannel,
    /** What a consumer of a fanout exchange subscribes to by pattern: `#` of the binding becomes `*`. */
    fanoutPattern: (exchange: string, pattern = ''): string => fanoutChannel(exchange, pattern.replaceAll('#', '*')),
    /** Document of a task's result; also the channel on which it is announced, which knows no database. */
    resultKey,
    /** The task id in a result key or channel, or undefined for another key. */
    resultIdOf: (key: string): string | undefined => {
      const start = resultKey('')
      return key.startsWith(start) ? key.slice(start.length) : undefined
    },
    /** Document of a saved group. */
    groupKey,
    /** Sorted set of a chord's parts by their index in the header. */
    chordPartsKey: (groupId: string): string => `${groupKey(groupId)}.j`,
    /** Number of parts that were added to the chord after it was opened. */
    chordAddedKey: (groupId: string): string => `${groupKey(groupId)}.t`,
    /** Number of parts that the chord was opened with; also a channel. */
    chordSizeKey: (groupId: string): string => `${groupKey(groupId)}.s`,
    /** tq's own: messages that no worker understands. */
    quarantineKey: `${prefix}tq.quarantine`,
    /** tq's own: how often each delivery tag was handed to a worker. */
    deliveriesKey: `${prefix}tq.deliveries`,
    /** tq's own: a named lock, as of beat's leader. */
    leaseKey: (name: string): string => `${prefix}tq.lease.${name}`,
    /** tq's own, beside the results: chords that wait for parts, by the time (ms) at which somebody last looked at them. */
    openChordsKey: `${resultPrefix}tq.chords`,
    /** tq's own: chords that are complete, until their body was sent; by the time (ms) at which somebody took that on. */
    completeChordsKey: `${resultPrefix}tq.chords.complete`,
    /** tq's own: any further key of the broker. Python may lose it without losing a task. */
    ownKey: (name: string): string => `${prefix}tq.${name}`,
    /** tq's own: any further key beside the results. */
    ownResultKey: (name: string): string => `${resultPrefix}tq.${name}`,
  } as const
}

/**
 * The regular expression that kombu stores for a topic binding: `*` one word, `#` any number of characters.
 * Source: kombu/transport/virtual/exchange.py, TopicExchange.key_to_pattern.
 */
export function topicRegex(pattern: string): string {
  const escaped = pattern.replace(/[^\p{L}\p{N}.#*]/gu, '\\$&')
  const words = escaped.split('.').map((word) => (word === '*' ? '.*?[^\\.]' : word === '#' ? '.*?' : word))
  return `^${words.join('\\.')}$`
}

function fanoutStart(fanoutPrefix: boolean | string, db: number): string {
  if (fanoutPrefix === false) return ''
  return (fanoutPrefix === true ? '/{db}.' : fanoutPrefix).replaceAll('{db}', String(db))
}

/** Source: celery/backends/base.py, KeyValueStoreBackend._add_global_keyprefix (5.3 and later). */
function resultStart(prefix: string): string {
  return prefix === '' || /[:_.-]$/.test(prefix) ? prefix : `${prefix}_`
}
