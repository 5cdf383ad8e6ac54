import { closest, distance } from 'fastest-levenshtein'
import { SettingError } from '../core/errors.ts'
import type { TransportSettings } from '../core/setting-values.ts'
import type { Settings } from '../core/settings.ts'
import type { RedisOptions } from './redis-connection.ts'
import { tlsWish, withWish } from './tls.ts'

/** What the settings say of a connection to Redis and of what goes over it. */
export interface RedisSettings {
  readonly connectTimeoutMs: number
  readonly connection: RedisOptions
  /** Options of the transport or backend, with the prefix that a cluster needs. */
  readonly options: TransportSettings
}

const transportOptions = [
  'visibilityTimeout',
  'globalKeyprefix',
  'sep',
  'prioritySteps',
  'queueOrderStrategy',
  'fanoutPrefix',
  'fanoutPatterns',
  'unackedRestoreLimit',
  'unackedKey',
  'unackedIndexKey',
  'unackedMutexKey',
  'clientName',
  'masterName',
  'sentinelKwargs',
  'socketTimeout',
  'socketConnectTimeout',
  'socketKeepalive',
  'healthCheckInterval',
] as const

const defaultTag = 'celery'

/** Reads the settings for the broker or the result backend at `url`. Throws SettingError for an option there is not. */
export function redisSettings(url: string, role: 'broker' | 'backend', settings: Settings): RedisSettings {
  const isBroker = role === 'broker'
  const name = isBroker ? 'brokerTransportOptions' : 'resultBackendTransportOptions'
  const given = known(name, settings[name])
  const isCluster = /^rediss?\+cluster:/i.test(url)
  const ofBroker = tagOf(settings.brokerTransportOptions.globalKeyprefix ?? '') ?? defaultTag
  const globalKeyprefix = isCluster ? tagged(name, given.globalKeyprefix ?? `{${ofBroker}}:`) : given.globalKeyprefix
  const { socketTimeout, socketConnectTimeout, socketKeepalive, healthCheckInterval } = given
  const connectSeconds =
    socketConnectTimeout ??
    (isBroker ? undefined : settings.redisSocketConnectTimeout) ??
    settings.brokerConnectionTimeout
  const { ssl = false, ...sentinel } = given.sentinelKwargs ?? {}
  const sentinelTls = tlsWish(ssl, `${name}.sentinelKwargs.ssl`)
  return {
    connectTimeoutMs: connectSeconds * 1000,
    options: { ...given, globalKeyprefix },
    connection: {
      answerTimeoutMs: (socketTimeout ?? settings.redisSocketTimeout) * 1000,
      healthCheckMs: (healthCheckInterval ?? settings.redisBackendHealthCheckInterval) * 1000,
      keepAliveSeconds: (socketKeepalive ?? settings.redisSocketKeepalive) ? 30 : 0,
      tls: isBroker
        ? tlsWish(settings.brokerUseSsl, 'brokerUseSsl')
        : tlsWish(settings.redisBackendUseSsl, 'redisBackendUseSsl'),
      failover: settings.brokerFailoverStrategy,
      masterName: given.masterName,
      clientName: given.clientName,
      sentinel: { ...sentinel, tls: sentinelTls && withWish(undefined, sentinelTls) },
      clusterKey: isCluster ? globalKeyprefix : undefined,
    },
  }
}

/** Options in our spelling; Celery's, as they come from its files, mean the same. */
function known(setting: string, given: Readonly<Record<string, unknown>> | TransportSettings): TransportSettings {
  const found: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(given)) {
    const name = key.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())
    const near = closest(name, [...transportOptions])
    // What is meant for another broker, or has nothing to change here (retry_on_timeout, max_connections), is left alone.
    if (near === name) found[name] = value
    else if (name.length > 4 && distance(name, near) <= 2) {
      throw new SettingError(`${setting} has no option '${key}' for Redis. Did you mean '${near}'?`)
    }
  }
  return found
}

/** Without braces the keys of one script would be on different nodes. */
function tagged(setting: string, prefix: string): string {
  if (tagOf(prefix)) return prefix
  throw new SettingError(
    `expected ${setting}.globalKeyprefix to hold a hash tag such as {shop}: for a Redis cluster, got '${prefix}'`,
  )
}

/** What a cluster goes by to place a key. Source: Redis cluster specification, hash tags. */
function tagOf(prefix: string): string | undefined {
  return /\{([^}]*)\}/.exec(prefix)?.[1]
}

/** Broker and result backend of one cluster share a connection, hence a node. Throws SettingError. */
export function assertOneSlot(broker: RedisSettings, backend: RedisSettings): void {
  const [one, other] = [broker.connection.clusterKey ?? '', backend.connection.clusterKey ?? '']
  if (tagOf(one) === tagOf(other)) return
  throw new SettingError(
    `expected brokerTransportOptions and resultBackendTransportOptions to have one hash tag in globalKeyprefix, got '${one}' and '${other}'`,
  )
}
