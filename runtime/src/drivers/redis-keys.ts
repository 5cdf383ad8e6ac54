import type { KeyStore } from '../transports/key-store.ts'
import type { RedisConnection } from './redis-connection.ts'
import { redisScript, releaseScript } from './redis-script.ts'

/** Keys on a Redis server; each script touches one, so that a cluster takes it too. */
export class RedisKeys implements KeyStore {
  readonly #connection: RedisConnection
  readonly #nameOf: (key: string) => string

  /** `nameOf` puts a key under the prefix of the broker or of the results. */
  constructor(connection: RedisConnection, nameOf: (key: string) => string) {
    this.#connection = connection
    this.#nameOf = nameOf
  }

  async claim(key: string, holder: string, ttlMs: number): Promise<string> {
    return String(await this.#connection.run(claimScript, [this.#nameOf(key)], [holder, Math.max(1, Math.ceil(ttlMs))]))
  }

  async release(key: string, holder: string): Promise<boolean> {
    return (await this.#connection.run(releaseScript, [this.#nameOf(key)], [holder])) === 1
  }

  async takeTurn(key: string, intervalMs: number): Promise<number> {
    const leftUs = await this.#connection.run(turnScript, [this.#nameOf(key)], [Math.ceil(intervalMs * 1000)])
    return Number(leftUs) / 1000
  }
}

/** ARGV: holder, time to live (ms). Answers who has it. */
const claimScript = redisScript(
  'claim',
  `
local held = redis.call('GET', KEYS[1])
if held and held ~= ARGV[1] then return held end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return ARGV[1]
`,
)

/**
 * ARGV: interval (µs). Answers the µs that are left, 0 when the turn was taken. The server's own time, not the caller's: a limit that
 * several machines share must not depend on how their clocks differ.
 */
const turnScript = redisScript(
  'takeTurn',
  `
if redis.replicate_commands then redis.replicate_commands() end
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local next = tonumber(redis.call('GET', KEYS[1]) or '0') or 0
if next > now then return next - now end
redis.call('SET', KEYS[1], string.format('%.0f', now + ARGV[1]), 'PX', math.ceil(ARGV[1] / 1000))
return 0
`,
)
