import type { RedisAddress, RedisTarget } from './redis-url.ts'
import { type TlsWish, withWish } from './tls.ts'

/** The target with TLS as settings want it: what they leave open is as the URL says. A unix socket has none. */
export function withTls(target: RedisTarget, wanted: TlsWish | undefined): RedisTarget {
  if (!wanted) return target
  const secured = (address: RedisAddress): RedisAddress =>
    address.path === undefined ? { ...address, tls: withWish(address.tls, wanted) } : address
  const [first, ...others] = target.addresses
  return { ...target, addresses: [secured(first), ...others.map(secured)] }
}
