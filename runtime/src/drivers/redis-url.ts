import { SettingError } from '../core/errors.ts'
import { maskUrl } from '../core/url.ts'

/** Where a Redis server is and how to get in: what a URL says. */
export interface RedisAddress {
  readonly host: string
  readonly port: number
  /** Path of a unix socket; wins over host and port. */
  readonly path: string | undefined
  readonly db: number
  readonly username: string | undefined
  readonly password: string | undefined
  /** Query options of `rediss://`, undefined without TLS. */
  readonly tls: RedisTlsOptions | undefined
  /** The URL with its password replaced; fit for logs and errors. */
  readonly masked: string
  /** Names the server and the database on it: `redis:host:port/db` or `redis:/path/db`. */
  readonly driver: string
}

/** File names and the verification mode as Celery spells them in the query. */
export interface RedisTlsOptions {
  readonly certRequired: boolean
  readonly caFile: string | undefined
  readonly certFile: string | undefined
  readonly keyFile: string | undefined
}

const socketSchemes: ReadonlySet<string> = new Set(['redis+socket:', 'redis+unix:', 'unix:'])

/**
 * Reads `redis://`, `rediss://` and `redis+socket://`. The database is the path (or `virtual_host` for a socket), default 0.
 * Source: kombu/transport/redis.py, Channel._connparams; celery/backends/redis.py, _params_from_url.
 */
export function parseRedisUrl(text: string): RedisAddress {
  const masked = maskUrl(text)
  const url = URL.parse(text)
  if (!url) throw new SettingError(`expected the Redis URL to be redis://[user:password@]host:port/db, got ${masked}`)
  const username = url.username === '' ? undefined : decodeURIComponent(url.username)
  const password = url.password === '' ? undefined : decodeURIComponent(url.password)
  if (socketSchemes.has(url.protocol)) {
    // `redis+socket:///run/redis.sock` has no host; a relative path ends up in the host part.
    const path = decodeURIComponent(`${url.host}${url.pathname}`)
    const db = databaseOf(url.searchParams.get('virtual_host') ?? url.searchParams.get('db') ?? '', masked)
    return {
      host: '',
      port: 0,
      path,
      db,
      username,
      password: url.searchParams.get('password') ?? password,
      tls: undefined,
      masked,
      driver: `redis:${path}/${db}`,
    }
  }
  if (url.protocol !== 'redis:' && url.protocol !== 'rediss:') {
    throw new SettingError(
      `expected the scheme of the Redis URL to be redis, rediss or redis+socket, got ${url.protocol} in ${masked}`,
    )
  }
  const host = url.hostname === '' ? 'localhost' : url.hostname.replace(/^\[(.*)\]$/, '$1')
  const port = url.port === '' ? 6379 : Number(url.port)
  const db = databaseOf(url.pathname.replace(/^\//, ''), masked)
  return {
    host,
    port,
    path: undefined,
    db,
    username,
    password,
    tls: url.protocol === 'rediss:' ? tlsOf(url.searchParams) : undefined,
    masked,
    driver: `redis:${host}:${port}/${db}`,
  }
}

function databaseOf(text: string, masked: string): number {
  if (text === '') return 0
  if (/^\d+$/.test(text)) return Number(text)
  throw new SettingError(`expected the database of the Redis URL to be a number, got '${text}' in ${masked}`)
}

function tlsOf(query: URLSearchParams): RedisTlsOptions {
  const mode = (query.get('ssl_cert_reqs') ?? 'required').toLowerCase().replace(/^cert_/, '')
  return {
    certRequired: mode !== 'none' && mode !== 'optional',
    caFile: query.get('ssl_ca_certs') ?? undefined,
    certFile: query.get('ssl_certfile') ?? undefined,
    keyFile: query.get('ssl_keyfile') ?? undefined,
  }
}
