import { Redis } from 'ioredis'
import type { Clock } from '../core/clock.ts'
import { SettingError } from '../core/errors.ts'
import { failoverStep, type FailoverStrategy } from './failover.ts'
import { listOf, textsOf } from './redis-reply.ts'
import type { RedisAddress, RedisNode, RedisTarget } from './redis-url.ts'
import { type TlsFiles, tlsSocketOptions } from './tls.ts'

export interface RedisLocatorOptions {
  readonly clock: Clock
  readonly timeoutMs: number
  /** Sentinel: name of the group of servers; the URL's `master_name` by default. */
  readonly masterName?: string | undefined
  /** Sentinel: how to get in there; by default without a password. */
  readonly sentinel?: RedisSentinelOptions | undefined
  /** Cluster: any key of those that are used; all of them must be in its slot. */
  readonly clusterKey?: string | undefined
  /** Which of several servers is tried when one is lost; `round-robin` by default. */
  readonly failover?: FailoverStrategy | undefined
}

export interface RedisSentinelOptions {
  readonly username?: string | undefined
  readonly password?: string | undefined
  readonly tls?: TlsFiles | undefined
}

/** Where to connect to, and as whom. */
export interface RedisPlace {
  readonly node: RedisNode
  readonly address: RedisAddress
}

/**
 * Says which server to connect to: one of several that stand in for each other, the master that the sentinels name, or the
 * node of a cluster that has our slot. It is asked again at each connect, for the answer changes with each failover.
 */
export class RedisLocator {
  readonly #target: RedisTarget
  readonly #options: RedisLocatorOptions
  /** Sentinels or nodes of the cluster, who answered last at the front. */
  #known: RedisNode[]
  #turn = 0

  /** Throws SettingError for sentinels without a master's name. */
  constructor(target: RedisTarget, options: RedisLocatorOptions) {
    this.#target = target
    this.#options = options
    this.#known = [...target.addresses]
    if (target.kind === 'sentinel' && this.#masterName() === undefined) {
      throw new SettingError(
        `expected transport option masterName to name the servers that the sentinels at ${target.masked} watch, got none`,
      )
    }
  }

  /** How many places there may be: so many are tried before a first connect gives up. */
  get places(): number {
    return this.#target.kind === 'servers' ? this.#target.addresses.length : 1
  }

  /** True where another server may take over. */
  get canMove(): boolean {
    return this.#target.kind !== 'servers' || this.places > 1
  }

  /** A place must say of itself that it is a master. */
  get mastersOnly(): boolean {
    return this.#target.kind !== 'servers'
  }

  /** Whose credentials, database and TLS count for the next connect. */
  get address(): RedisAddress {
    const { addresses, kind } = this.#target
    return (kind === 'servers' ? addresses[this.#turn % addresses.length] : undefined) ?? addresses[0]
  }

  /** The place used last could not be reached or does not serve: another one is next, if there is one. */
  moveOn(): void {
    const { kind, addresses } = this.#target
    if (kind !== 'servers' || addresses.length < 2) return
    this.#turn += failoverStep(addresses.length, this.#options.failover ?? 'round-robin')
  }

  /** Rejects where nobody knows. */
  async locate(): Promise<RedisNode> {
    if (this.#target.kind === 'servers') return this.address
    const failures: string[] = []
    for (const node of [...this.#known]) {
      try {
        const found = this.#target.kind === 'sentinel' ? await this.#askSentinel(node) : await this.#askCluster(node)
        this.#known = [node, ...this.#known.filter((other) => other !== node)]
        return found
      } catch (error) {
        failures.push(`${node.host}:${node.port}: ${error instanceof Error ? error.message : String(error)}`)
      }
    }
    const whom = this.#target.kind === 'sentinel' ? 'sentinel' : 'node of the cluster'
    throw new Error(`no ${whom} knows the server to use (${failures.join('; ')})`)
  }

  async #askSentinel(node: RedisNode): Promise<RedisNode> {
    const name = this.#masterName() ?? ''
    const { username, password, tls } = this.#options.sentinel ?? {}
    return this.#ask(node, { username, password, tls }, async (redis) => {
      const [host, port] = textsOf(await redis.call('SENTINEL', 'get-master-addr-by-name', name))
      if (host === undefined) throw new Error(`it watches no servers called '${name}'`)
      return { host, port: Number(port), path: undefined }
    })
  }

  async #askCluster(node: RedisNode): Promise<RedisNode> {
    const { username, password, tls } = this.address
    return this.#ask(node, { username, password, tls }, async (redis) => {
      const [slot, ranges] = await Promise.all([
        redis.call('CLUSTER', 'KEYSLOT', this.#options.clusterKey ?? ''),
        redis.call('CLUSTER', 'SLOTS'),
      ])
      let found: RedisNode | undefined
      for (const range of listOf(ranges)) {
        const [from, to, ...servers] = listOf(range)
        for (const [at, server] of servers.entries()) {
          const [host, port] = listOf(server)
          // A node that knows no address of its own is the one that was asked.
          const named = typeof host === 'string' && host !== '' && host !== '?' ? host : node.host
          const member = { host: named, port: Number(port), path: undefined }
          if (at === 0 && Number(from) <= Number(slot) && Number(slot) <= Number(to)) found = member
          this.#learn(member)
        }
      }
      if (!found) throw new Error(`nobody serves slot ${String(slot)}`)
      return found
    })
  }

  #learn(member: RedisNode): void {
    if (this.#known.some(({ host, port }) => host === member.host && port === member.port)) return
    this.#known.push(member)
  }

  async #ask<T>(
    node: RedisNode,
    { username, password, tls }: RedisSentinelOptions,
    question: (redis: Redis) => Promise<T>,
  ): Promise<T> {
    const { timeoutMs, clock } = this.#options
    const redis = new Redis({
      host: node.host,
      port: node.port,
      username,
      password,
      ...(tls ? { tls: tlsSocketOptions(tls, node.host, 'Redis') } : {}),
      protocol: 2,
      replyMapping: 'legacy',
      lazyConnect: true,
      enableReadyCheck: false,
      connectTimeout: timeoutMs,
      maxRetriesPerRequest: 0,
      disableClientInfo: true,
      retryStrategy: () => null,
    })
    let failure: Error | undefined
    redis.on('error', (error: Error) => {
      failure = error
    })
    // A server that is stopped accepts connections and stays silent.
    const timer = clock.timer(timeoutMs, () => {
      failure = new Error(`no answer within ${timeoutMs / 1000} s`)
      redis.disconnect()
    })
    try {
      await redis.connect()
      return await question(redis)
    } catch (error) {
      throw failure ?? error
    } finally {
      timer.cancel()
      redis.disconnect()
    }
  }

  #masterName(): string | undefined {
    return this.#options.masterName ?? this.#target.masterName
  }
}
