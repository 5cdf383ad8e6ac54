import { SettingError } from '../core/errors.ts'
import { maskUrl } from '../core/url.ts'
import { type TlsFiles, type TlsWish, tlsOfQuery, withWish } from './tls.ts'

/** Where a RabbitMQ node is and how to get in: what one URL says. */
export interface AmqpAddress {
  readonly host: string
  readonly port: number
  readonly vhost: string
  readonly username: string
  readonly password: string
  /** Query options of `amqps://` under what settings want, undefined without TLS. */
  readonly tls: TlsFiles | undefined
  /** Query option `heartbeat`. */
  readonly heartbeatSeconds: number | undefined
  /** The URL with its password replaced; fit for logs and errors. */
  readonly masked: string
}

const plainSchemes: ReadonlySet<string> = new Set(['amqp:', 'pyamqp:', 'librabbitmq:'])

/**
 * Reads `amqp://user:password@host:port/vhost` (also `pyamqp://`, `amqps://`), several separated by `;` for failover. Defaults:
 * guest, localhost, 5672 (TLS 5671), vhost `/`. The vhost is what follows the first slash, so `//` and `/%2F` are vhost `/`. An
 * entry without a scheme is another `host[:port]` of the entry before it. `wish` is TLS whatever the scheme, and what it says wins.
 * Source: kombu/connection.py, Connection.__init__; kombu/utils/url.py, url_to_parts; kombu/transport/pyamqp.py, default_ssl_port.
 */
export function parseAmqpUrls(text: string, wish?: TlsWish): readonly AmqpAddress[] {
  const addresses: AmqpAddress[] = []
  for (const entry of text.split(';')) {
    if (entry.trim() === '') continue
    const before = addresses.at(-1)
    addresses.push(before && !entry.includes('://') ? otherHost(before, entry) : parseOne(entry, wish))
  }
  if (addresses.length === 0) throw malformed(maskUrl(text))
  return addresses
}

function parseOne(text: string, wish?: TlsWish): AmqpAddress {
  const masked = maskUrl(text)
  const url = URL.parse(text)
  if (!url) throw malformed(masked)
  const saysTls = url.protocol === 'amqps:' || url.protocol === 'pyamqps:'
  if (!saysTls && !plainSchemes.has(url.protocol)) throw malformed(masked)
  const said = saysTls ? tlsOfQuery(url.searchParams) : undefined
  const tls = wish ? withWish(said, wish) : said
  const heartbeat = url.searchParams.get('heartbeat')
  return {
    host: url.hostname === '' ? 'localhost' : decoded(url.hostname.replace(/^\[(.*)\]$/, '$1'), masked),
    port: url.port === '' ? (tls ? 5671 : 5672) : Number(url.port),
    vhost: decoded(url.pathname.slice(1), masked) || '/',
    username: decoded(url.username, masked) || 'guest',
    password: url.username === '' && url.password === '' ? 'guest' : decoded(url.password, masked),
    tls,
    heartbeatSeconds: heartbeat !== null && /^\d+$/.test(heartbeat) ? Number(heartbeat) : undefined,
    masked,
  }
}

function otherHost(address: AmqpAddress, entry: string): AmqpAddress {
  const { host, port, masked } = parseOne(`${address.tls ? 'amqps' : 'amqp'}://${entry.trim()}`)
  return { ...address, host, port, masked }
}

function decoded(text: string, masked: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw new SettingError(`expected % in the RabbitMQ URL to be written as %25, got ${masked}`)
  }
}

function malformed(masked: string): SettingError {
  return new SettingError(`expected the RabbitMQ URL to be amqp[s]://[user:password@]host:port/vhost, got ${masked}`)
}
