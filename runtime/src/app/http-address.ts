import { lookup } from 'node:dns/promises'
import { BlockList, isIP } from 'node:net'
import { HttpTaskError } from '../core/errors.ts'

/** Where a request really goes: found once, checked, and used for the connection. */
export interface CheckedAddress {
  readonly address: string
  readonly family: 4 | 6
}

/** Resolves a host name; tests give names of their own. */
export type Resolve = (hostname: string) => Promise<readonly { readonly address: string; readonly family: number }[]>

const systemResolve: Resolve = (hostname) => lookup(hostname, { all: true })

/**
 * Which hosts and addresses an HTTP task may reach. Addresses that are not public (private, loopback, link-local, and what else is
 * nobody's host on the internet) only where `addresses` names them.
 */
export class Allowed {
  readonly #hosts: readonly string[]
  readonly #addresses: BlockList
  readonly #resolve: Resolve
  readonly #special = listOf(notPublic)
  readonly #global = listOf(['2000::/3'])

  /** `hosts`: names, or `*.example.com` for all below it. `addresses`: `10.1.2.3` or `10.0.0.0/8`. Throws HttpTaskError for what is no address. */
  constructor(hosts: readonly string[], addresses: readonly string[], resolve: Resolve = systemResolve) {
    this.#hosts = hosts.map((host) => host.toLowerCase())
    this.#addresses = listOf(addresses)
    this.#resolve = resolve
  }

  /** Throws HttpTaskError for a URL that is not http or https, or whose host is not allowed. */
  checkUrl(url: URL): void {
    if (url.protocol !== 'http:' && url.protocol !== 'https:') {
      throw new HttpTaskError(`expected the URL to begin with http: or https:, got ${url.protocol}`)
    }
    const host = url.hostname.toLowerCase()
    const isAllowed = this.#hosts.some((one) => (one.startsWith('*.') ? host.endsWith(one.slice(1)) : host === one))
    if (!isAllowed) {
      throw new HttpTaskError(
        `${url.origin} is not among the hosts that the task may call (allowHosts: ${this.#hosts.join(', ')}).`,
      )
    }
  }

  /** The first of the host's addresses. Every one of them has to be allowed: which one a later lookup would give is another's choice. */
  async addressOf(url: URL): Promise<CheckedAddress> {
    const host = url.hostname.replace(/^\[|\]$/g, '')
    const found = isIP(host) === 0 ? await this.#lookUp(host, url) : [{ address: host, family: isIP(host) }]
    for (const { address } of found) {
      if (this.#isPublic(address) || this.#has(address)) continue
      throw new HttpTaskError(
        `${url.origin} is at ${address}, which is not a public address. Name it in allowAddresses if the task is meant to call it.`,
      )
    }
    const [first] = found
    if (!first) throw new HttpTaskError(`${url.origin} has no address.`)
    return { address: first.address, family: first.family === 6 ? 6 : 4 }
  }

  async #lookUp(host: string, url: URL): Promise<Awaited<ReturnType<Resolve>>> {
    try {
      return await this.#resolve(host)
    } catch (error) {
      throw new HttpTaskError(`The host of ${url.origin} cannot be resolved: ${codeOf(error)}`, { cause: error })
    }
  }

  /** Whether it belongs to a host of the internet. An IPv4 address in IPv6's clothes counts as what it is, or not as public. */
  #isPublic(address: string): boolean {
    const plain = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1] ?? address
    if (isIP(plain) === 4) return !this.#special.check(plain, 'ipv4')
    return this.#global.check(plain, 'ipv6') && !this.#special.check(plain, 'ipv6')
  }

  #has(address: string): boolean {
    return this.#addresses.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4')
  }
}

/** Source: IANA's special-purpose address registries. IPv6 is public inside 2000::/3 only. */
const notPublic = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/3',
  '2001::/23',
  '2001:db8::/32',
  '2002::/16',
]

function listOf(ranges: readonly string[]): BlockList {
  const list = new BlockList()
  for (const range of ranges) {
    const [address = '', bits] = range.split('/')
    const family = isIP(address)
    const prefix = bits === undefined ? undefined : /^\d+$/.test(bits) ? Number(bits) : Number.NaN
    const most = family === 6 ? 128 : 32
    if (family === 0 || (prefix !== undefined && !(prefix <= most))) {
      throw new HttpTaskError(`expected allowAddresses to hold addresses or ranges such as 10.0.0.0/8, got '${range}'`)
    }
    const type = family === 6 ? 'ipv6' : 'ipv4'
    if (prefix === undefined) list.addAddress(address, type)
    else list.addSubnet(address, prefix, type)
  }
  return list
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'unknown error'
}
