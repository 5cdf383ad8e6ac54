import { readFileSync } from 'node:fs'
import { closest, distance } from 'fastest-levenshtein'
import { SettingError } from '../core/errors.ts'
import type { TlsSettings } from '../core/setting-values.ts'

/** Files and how far a server has to prove who it is; a file may also be given as its text. */
export interface TlsFiles {
  readonly certRequired: boolean
  readonly caFile: string | undefined
  readonly certFile: string | undefined
  readonly keyFile: string | undefined
  /** Name that the certificate must have; the host by default. */
  readonly serverName?: string | undefined
  /** False takes a trusted certificate of any name. Default true. */
  readonly checkName?: boolean | undefined
  readonly ciphers?: string | undefined
}

/** As settings say it; what is left open is as the URL says. */
export type TlsWish = { readonly [K in keyof TlsFiles]?: TlsFiles[K] | undefined }

/**
 * What `brokerUseSsl` or `redisBackendUseSsl` asks for; undefined for plain connections. Takes our names, those of Celery for
 * RabbitMQ (`ca_certs`, `certfile`, `keyfile`, `cert_reqs`, also in camelCase) and those for Redis (`ssl_ca_certs`, …); modes of verification as texts
 * or Python's numbers. Throws SettingError for an option there is not.
 * Source: celery docs, broker_use_ssl; kombu/transport/redis.py, Channel._connparams; Python's ssl.VerifyMode.
 */
export function tlsWish(given: boolean | TlsSettings, setting: string): TlsWish | undefined {
  if (given === false) return undefined
  if (given === true) return {}
  const wish: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(given)) {
    if (value === undefined) continue
    const [name, read] = optionOf(key, setting)
    wish[name] = read(value, `${setting}.${key}`)
  }
  return wish
}

/** TLS as it is wanted, over what the URL says of it. */
export function withWish(tls: TlsFiles | undefined, wish: TlsWish): TlsFiles {
  const said = Object.fromEntries(Object.entries(wish).filter(([, value]) => value !== undefined))
  return { ...(tls ?? unsaid), ...said }
}

/** Options of `tls.connect`; absent where nothing is said. */
export interface TlsSocketOptions {
  readonly rejectUnauthorized: boolean
  readonly servername?: string
  readonly checkServerIdentity?: () => undefined
  readonly ca?: string | Buffer
  readonly cert?: string | Buffer
  readonly key?: string | Buffer
  readonly ciphers?: string
}

/** What the query of a `rediss://` or `amqps://` URL says; the prefix `ssl_` may be left out. */
export function tlsOfQuery(query: URLSearchParams): TlsFiles {
  const said = (name: string): string | undefined => query.get(`ssl_${name}`) ?? query.get(name) ?? undefined
  const mode = said('cert_reqs')
  return {
    certRequired: mode === undefined || isRequired(mode), // an unknown mode is the strict one
    caFile: said('ca_certs'),
    certFile: said('certfile'),
    keyFile: said('keyfile'),
  }
}

/** What a TLS socket to `host` is made with; `server` is what errors call the other side. Throws SettingError for a file that cannot be read. */
export function tlsSocketOptions(tls: TlsFiles, host: string, server: string): TlsSocketOptions {
  const { certRequired, caFile, certFile, keyFile, serverName = host, checkName = true, ciphers } = tls
  const text = (file: string, what: string): string | Buffer => textOf(file, `the ${what} for TLS to ${server}`)
  return {
    rejectUnauthorized: certRequired,
    // An address is no name that TLS could ask for.
    ...(serverName === '' || /^[\d.]+$|:/.test(serverName) ? {} : { servername: serverName }),
    ...(checkName ? {} : { checkServerIdentity: () => undefined }),
    ...(caFile === undefined ? {} : { ca: text(caFile, 'CA') }),
    ...(certFile === undefined ? {} : { cert: text(certFile, 'certificate') }),
    ...(keyFile === undefined ? {} : { key: text(keyFile, 'key') }),
    ...(ciphers === undefined ? {} : { ciphers }),
  }
}

const unsaid: TlsFiles = { certRequired: true, caFile: undefined, certFile: undefined, keyFile: undefined }

type Read = (value: unknown, what: string) => unknown

const text: Read = (value, what) => {
  if (typeof value === 'string') return value
  // Not its value: it may be a key.
  throw new SettingError(`expected ${what} to be a text, got ${value instanceof Uint8Array ? 'bytes' : typeof value}`)
}

const flag: Read = (value, what) => {
  if (typeof value === 'boolean') return value
  throw new SettingError(`expected ${what} to be true or false, got ${String(value)}`)
}

const mode: Read = (value, what) => {
  if (typeof value === 'number' && [0, 1, 2].includes(value)) return value === certRequiredNumber
  if (typeof value === 'string' && /^(?:ssl\.)?(?:cert_)?(?:none|optional|required)$/i.test(value))
    return isRequired(value)
  throw new SettingError(`expected ${what} to be 'none', 'optional' or 'required', got ${String(value)}`)
}

/** Python's `ssl.CERT_REQUIRED`. */
const certRequiredNumber = 2

function isRequired(value: string): boolean {
  return !/^(?:ssl\.)?(?:cert_)?(?:none|optional)$/i.test(value)
}

/** By name in lower case without `ssl` before it and `_` in it. */
const options: Readonly<Record<string, readonly [keyof TlsFiles, Read]>> = {
  ca: ['caFile', text],
  cacerts: ['caFile', text],
  cert: ['certFile', text],
  certfile: ['certFile', text],
  key: ['keyFile', text],
  keyfile: ['keyFile', text],
  rejectunauthorized: ['certRequired', flag],
  certreqs: ['certRequired', mode],
  servername: ['serverName', text],
  serverhostname: ['serverName', text],
  checkhostname: ['checkName', flag],
  ciphers: ['ciphers', text],
}

function optionOf(key: string, setting: string): readonly [keyof TlsFiles, Read] {
  const bare = key.toLowerCase().replaceAll('_', '').replace(/^ssl/, '')
  const found = Object.hasOwn(options, bare) ? options[bare] : undefined
  if (found) return found
  const near = closest(bare, Object.keys(options))
  const hint = distance(bare, near) <= 2 ? ` Did you mean '${near}'?` : ''
  throw new SettingError(`${setting} has no option '${key}'; it takes ca, cert, key and rejectUnauthorized.${hint}`)
}

function textOf(file: string, what: string): string | Buffer {
  if (file.includes('-----BEGIN')) return file
  try {
    return readFileSync(file)
  } catch (cause) {
    throw new SettingError(`expected ${what} to be a file that can be read, got ${shown(file)}`, { cause })
  }
}

/** What is no file name may be the key itself. */
function shown(file: string): string {
  return file.length > 255 || file.includes('\n') ? `a text of ${file.length} characters` : file
}
