import { createHash } from 'node:crypto'

/** A Lua text with its name, which stands in error messages. `sha` is its SHA-1, the name under which the server caches it. */
export interface RedisScript {
  readonly name: string
  readonly lua: string
  readonly sha: string
}

export function redisScript(name: string, lua: string): RedisScript {
  return { name, lua, sha: createHash('sha1').update(lua).digest('hex') }
}

/**
 * Lua function `store(key, ttl, rank, text)`: SET + PUBLISH of a result document, unless a more final one is there. `ttl` is in
 * milliseconds, `'0'` for ever; `rank` is `stateRank` of the new state. The old document is read only where there is one.
 * Source of the rule: celery/backends/base.py, KeyValueStoreBackend._store_result (SUCCESS is never overwritten).
 */
export const storeFunction = `
local function store(key, ttl, rank, text)
  local new
  if ttl == '0' then new = redis.call('SET', key, text, 'NX')
  else new = redis.call('SET', key, text, 'PX', ttl, 'NX') end
  if not new then
    local ok, old = pcall(cjson.decode, redis.call('GET', key))
    local state = ok and type(old) == 'table' and old.status or ''
    if state == 'SUCCESS' then return 0 end
    if (state == 'FAILURE' or state == 'REVOKED' or state == 'ABORTED') and rank == '0' then return 0 end
    if ttl == '0' then redis.call('SET', key, text)
    else redis.call('SET', key, text, 'PX', ttl) end
  end
  redis.call('PUBLISH', key, text)
  return 1
end
`

/** Gives up a lock that still carries our token. KEYS: lock. ARGV: token. Source: redis-py, Lock.LUA_RELEASE_SCRIPT. */
export const releaseScript = redisScript(
  'release',
  `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
`,
)
