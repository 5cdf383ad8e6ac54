/** How publishing is tried again. Source: celery/app/defaults.py, task.publish_retry_policy. Intervals in seconds. */
export interface RetryPolicy {
  /** null is for ever. */
  readonly maxRetries: number | null
  readonly intervalStart: number
  readonly intervalStep: number
  readonly intervalMax: number
  /** Errors that are tried again beside a lost connection: classes, or the `code` they have. */
  readonly retryErrors?: readonly (string | (abstract new (...args: never[]) => Error))[] | undefined
}

/** TLS to a broker or backend. Files, or their text. Celery's names for RabbitMQ (`caCerts`, …) and Redis (`sslCaCerts`, …) mean the same. */
export interface TlsSettings {
  /** Certificates to trust; those of the system by default. */
  readonly ca?: string | undefined
  readonly cert?: string | undefined
  readonly key?: string | undefined
  /** False trusts any certificate. */
  readonly rejectUnauthorized?: boolean | undefined
  /** False takes a trusted certificate of any name. */
  readonly checkHostname?: boolean | undefined
  readonly ciphers?: string | undefined
  /** Name that the certificate must have; the host by default. */
  readonly servername?: string | undefined
  readonly caCerts?: string | undefined
  readonly certfile?: string | undefined
  readonly keyfile?: string | undefined
  /** `none`, `optional` or `required`. */
  readonly certReqs?: string | undefined
  readonly sslCaCerts?: string | undefined
  readonly sslCertfile?: string | undefined
  readonly sslKeyfile?: string | undefined
  readonly sslCertReqs?: string | undefined
}

/** Options of a broker or backend that are its own; names as kombu's in camelCase. */
export interface TransportSettings {
  /** Seconds a message may be held without a sign of life; default 3600. Redis. */
  readonly visibilityTimeout?: number | undefined
  readonly globalKeyprefix?: string | undefined
  readonly sep?: string | undefined
  readonly prioritySteps?: readonly number[] | undefined
  /** Order in which the queues of a worker are looked at; `round_robin` by default. Redis. */
  readonly queueOrderStrategy?: 'round_robin' | 'sorted' | 'priority' | undefined
  /** False for none, or another text than `/{db}.` before channels. Redis. */
  readonly fanoutPrefix?: boolean | string | undefined
  /** False leaves the routing key out of channel names. Redis. */
  readonly fanoutPatterns?: boolean | undefined
  /** How many messages of vanished workers are brought back at once; 100 by default. Redis. */
  readonly unackedRestoreLimit?: number | undefined
  /** Other names for the keys of what workers hold; all of them have to agree, Celery's too. Redis. */
  readonly unackedKey?: string | undefined
  readonly unackedIndexKey?: string | undefined
  readonly unackedMutexKey?: string | undefined
  /** What CLIENT LIST shows of our connections. Redis. */
  readonly clientName?: string | undefined
  /** Sentinel: name of the group of servers; no default. */
  readonly masterName?: string | undefined
  /** Sentinel: how to get in there. */
  readonly sentinelKwargs?: SentinelSettings | undefined
  /** Seconds after which a connection that owes an answer is made anew; default `redisSocketTimeout`. Redis. */
  readonly socketTimeout?: number | undefined
  /** Seconds to connect; default `brokerConnectionTimeout`. Redis. */
  readonly socketConnectTimeout?: number | undefined
  readonly socketKeepalive?: boolean | undefined
  /** Seconds; default `redisBackendHealthCheckInterval`. Redis. */
  readonly healthCheckInterval?: number | undefined
  /** Lease of a process on SQLite in ms; default 30000. */
  readonly leaseMs?: number | undefined
  /** SQLite: `full` syncs every commit to the disk. */
  readonly sync?: 'normal' | 'full' | undefined
  /** SQLite: a commit is on the disk after at most this, in ms; default 1000, 0 leaves it to the kernel. */
  readonly syncMs?: number | undefined
  /** SQLite: largest size of the file; publishing fails beyond it, running what waits goes on. Default none. */
  readonly maxBytes?: number | undefined
}

/** How to get into the sentinels themselves. */
export interface SentinelSettings {
  readonly username?: string | undefined
  readonly password?: string | undefined
  readonly ssl?: boolean | TlsSettings | undefined
}
