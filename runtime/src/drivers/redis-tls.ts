import { readFileSync } from 'node:fs'
import type { ConnectionOptions } from 'node:tls'
import { SettingError } from '../core/errors.ts'
import type { RedisAddress, RedisTarget, RedisTlsOptions } from './redis-url.ts'

export type RedisTlsFiles = RedisTlsOptions

/** As settings say it; what is left open is as the URL says. */
export type RedisTlsWish = { readonly [K in keyof RedisTlsOptions]?: RedisTlsOptions[K] | undefined }

/** What a TLS socket to `host` is made with. Throws SettingError for a file that cannot be read. */
export function tlsSocketOptions(tls: RedisTlsFiles, host: string): ConnectionOptions {
  const { certRequired, caFile, certFile, keyFile, serverName = host } = tls
  return {
    rejectUnauthorized: certRequired,
    // An address is no name that TLS could ask for.
    ...(serverName === '' || /^[\d.]+$|:/.test(serverName) ? {} : { servername: serverName }),
    ...(caFile === undefined ? {} : { ca: textOf(caFile, 'CA') }),
    ...(certFile === undefined ? {} : { cert: textOf(certFile, 'certificate') }),
    ...(keyFile === undefined ? {} : { key: textOf(keyFile, 'key') }),
  }
}

/** The target with TLS as settings want it: what they leave open is as the URL says. */
export function withTls(target: RedisTarget, wanted: RedisTlsWish | undefined): RedisTarget {
  if (!wanted) return target
  const secured = (address: RedisAddress): RedisAddress => {
    if (address.path !== undefined) return address
    const { tls } = address
    return {
      ...address,
      tls: {
        certRequired: wanted.certRequired ?? tls?.certRequired ?? true,
        caFile: wanted.caFile ?? tls?.caFile,
        certFile: wanted.certFile ?? tls?.certFile,
        keyFile: wanted.keyFile ?? tls?.keyFile,
        serverName: wanted.serverName,
      },
    }
  }
  const [first, ...others] = target.addresses
  return { ...target, addresses: [secured(first), ...others.map(secured)] }
}

function textOf(file: string, what: string): string | Buffer {
  if (file.includes('-----BEGIN')) return file
  try {
    return readFileSync(file)
  } catch (cause) {
    throw new SettingError(`expected the ${what} for TLS to Redis to be a file that can be read, got ${file}`, {
      cause,
    })
  }
}
