import { SettingError } from '../core/errors.ts'
import { maskUrl } from '../core/url.ts'
import { type TlsFiles, tlsOfQuery } from './tls.ts'

/** Where one Redis server is and how to get in: what one URL says. */
export interface RedisAddress extends RedisNode {
  readonly db: number
  readonly username: string | undefined
  readonly password: string | undefined
  /** Query options of `rediss://`, undefined without TLS. */
  readonly tls: TlsFiles | undefined
  /** The URL with its password replaced; fit for logs and errors. */
  readonly masked: string
  /** Names the server and the database on it: `redis:host:port/db` or `redis:/path/db`. */
  readonly driver: string
}

export interface RedisNode {
  readonly host: string
  readonly port: number
  /** Path of a unix socket; wins over host and port. */
  readonly path: string | undefined
}

/** All that a setting says: servers of which one is used at a time, sentinels that know the master, or nodes of a cluster. */
export interface RedisTarget {
  readonly kind: 'servers' | 'sentinel' | 'cluster'
  /** Of a sentinel or cluster the first says database, credentials and TLS for all. */
  readonly addresses: readonly [RedisAddress, ...RedisAddress[]]
  /** Sentinel: query option `master_name`. */
  readonly masterName: string | undefined
  readonly masked: string
  readonly driver: string
}

const socketSchemes: ReadonlySet<string> = new Set(['redis+socket:', 'redis+unix:', 'unix:'])
const kinds: Readonly<
  Record<string, { readonly kind: RedisTarget['kind']; readonly tls: boolean; readonly port: number }>
> = {
  'redis:': { kind: 'servers', tls: false, port: 6379 },
  'rediss:': { kind: 'servers', tls: true, port: 6379 },
  'sentinel:': { kind: 'sentinel', tls: false, port: 26_379 },
  'redis+cluster:': { kind: 'cluster', tls: false, port: 6379 },
  'rediss+cluster:': { kind: 'cluster', tls: true, port: 6379 },
}

/**
 * Reads one or several URLs, separated by `;`. An entry without a scheme is another `host[:port]` of the entry before it.
 * Several servers are for failover; `sentinel://` names sentinels, `redis+cluster://` nodes of a cluster.
 * Source: kombu/connection.py, Connection.__init__ (failover); kombu/transport/redis.py, SentinelChannel.
 */
export function parseRedisUrls(text: string): RedisTarget {
  const addresses: RedisAddress[] = []
  let kind: RedisTarget['kind'] = 'servers'
  let masterName: string | undefined
  for (const entry of text.split(';')) {
    if (entry.trim() === '') continue
    const before = addresses.at(-1)
    if (before && !entry.includes('://')) {
      addresses.push(otherHost(before, entry.trim(), kind))
      continue
    }
    const url = URL.parse(entry.trim())
    const found = kinds[url?.protocol ?? '']?.kind ?? 'servers'
    if (before && found !== kind) {
      throw new SettingError(`expected the URLs of a list to be of one kind, got ${maskUrl(text)}`)
    }
    kind = found
    masterName ??= url?.searchParams.get('master_name') ?? undefined
    addresses.push(parseRedisUrl(entry.trim()))
  }
  const [first, ...others] = addresses
  if (!first) throw malformed(maskUrl(text))
  const nodes = addresses.map((address) => address.driver.slice('redis:'.length))
  return {
    kind,
    addresses: [first, ...others],
    masterName,
    masked: addresses.map((address) => address.masked).join(';'),
    driver:
      kind === 'servers' ? addresses.map((address) => address.driver).join(';') : `redis-${kind}:${nodes.join(';')}`,
  }
}

/**
 * Reads one URL. The database is the path (or `virtual_host` for a socket), default 0.
 * Source: kombu/transport/redis.py, Channel._connparams; celery/backends/redis.py, _params_from_url.
 */
export function parseRedisUrl(text: string): RedisAddress {
  const masked = maskUrl(text)
  const url = URL.parse(text)
  if (!url) throw malformed(masked)
  const username = url.username === '' ? undefined : decoded(url.username, masked)
  const password = url.password === '' ? undefined : decoded(url.password, masked)
  if (socketSchemes.has(url.protocol)) {
    // `redis+socket:///run/redis.sock` has no host; a relative path ends up in the host part.
    const path = decoded(`${url.host}${url.pathname}`, masked)
    const db = databaseOf(url.searchParams.get('virtual_host') ?? url.searchParams.get('db') ?? '', masked)
    return {
      host: '',
      port: 0,
      path,
      db,
      username: url.searchParams.get('username') ?? username,
      password: url.searchParams.get('password') ?? password,
      tls: undefined,
      masked,
      driver: `redis:${path}/${db}`,
    }
  }
  const scheme = kinds[url.protocol]
  if (!scheme) {
    throw new SettingError(
      `expected the scheme of the Redis URL to be redis, rediss, redis+socket, sentinel or redis+cluster, got ${url.protocol} in ${masked}`,
    )
  }
  const host = url.hostname === '' ? 'localhost' : decoded(url.hostname.replace(/^\[(.*)\]$/, '$1'), masked)
  const port = url.port === '' ? scheme.port : Number(url.port)
  const db = databaseOf(url.pathname.replace(/^\//, ''), masked)
  if (scheme.kind === 'cluster' && db !== 0) {
    throw new SettingError(`expected no database in the URL of a Redis cluster, which has only 0, got ${masked}`)
  }
  return {
    host,
    port,
    path: undefined,
    db,
    username,
    password,
    tls: scheme.tls ? tlsOfQuery(url.searchParams) : undefined,
    masked,
    driver: `redis:${host}:${port}/${db}`,
  }
}

function otherHost(before: RedisAddress, entry: string, kind: RedisTarget['kind']): RedisAddress {
  const scheme = kind === 'sentinel' ? 'sentinel' : 'redis'
  const { host, port, masked } = parseRedisUrl(`${scheme}://${entry}`)
  return { ...before, host, port, masked, driver: `redis:${host}:${port}/${before.db}` }
}

function decoded(text: string, masked: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw new SettingError(`expected % in the Redis URL to be written as %25, got ${masked}`)
  }
}

function databaseOf(text: string, masked: string): number {
  if (text === '') return 0
  if (/^\d+$/.test(text)) return Number(text)
  throw new SettingError(`expected the database of the Redis URL to be a number, got '${text}' in ${masked}`)
}

function malformed(masked: string): SettingError {
  return new SettingError(`expected the Redis URL to be redis://[user:password@]host:port/db, got ${masked}`)
}
