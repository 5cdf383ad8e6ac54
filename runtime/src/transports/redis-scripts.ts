import { redisScript, storeFunction } from '../drivers/redis-script.ts'

// The Lua of the Redis transport. Every script gets the time and its keys as arguments. `index` is the sorted set
// that says since when a message is held: its exact score is written by one exchange of one process and by nobody else, so
// whoever knows the current score owns the message. kombu writes time() there and never compares.

// Tag of a text taken from a list. kombu and tq end every envelope with it; other layouts are parsed.
const tagFunction = `
local function tagOf(text)
  local tag = string.match(string.sub(text, -90), '"body_encoding": ?[^,]*, ?"delivery_tag": ?"([^"\\\\]+)"}}$')
  if tag then return tag end
  local ok, envelope = pcall(cjson.decode, text)
  if not ok then return nil, 'not JSON' end
  local properties = type(envelope) == 'table' and envelope.properties
  tag = type(properties) == 'table' and properties.delivery_tag
  if type(tag) ~= 'string' or tag == '' then return nil, 'no delivery_tag in its properties' end
  return tag
end
`

// kombu gives a message that a topic exchange brings to several queues one tag for all of them, but every held one needs its
// own. The tag is the last text of its kind in an envelope.
const retagFunction = `
local function retagged(text, tag, fresh)
  local quoted, from, last = '"' .. tag .. '"', 1, nil
  while true do
    local at = string.find(text, quoted, from, true)
    if not at then break end
    last, from = at, at + 1
  end
  if not last then return text end
  return string.sub(text, 1, last) .. fresh .. string.sub(text, last + #tag + 1)
end
`

// Newest 1,000 of seven days. Times are epoch ms.
const quarantineFunction = `
local function quarantine(records, times, now, id, record)
  redis.call('HSET', records, id, record)
  redis.call('ZADD', times, now, id)
  local old = redis.call('ZRANGEBYSCORE', times, '-inf', now - 604800000)
  local over = redis.call('ZCARD', times) - #old - 1000
  if over > 0 then
    for _, more in ipairs(redis.call('ZRANGE', times, #old, #old + over - 1)) do old[#old + 1] = more end
  end
  for from = 1, #old, 500 do
    local to = math.min(from + 499, #old)
    redis.call('HDEL', records, unpack(old, from, to))
    redis.call('ZREM', times, unpack(old, from, to))
  end
end
`

// What a full server (maxmemory) refuses is the first write of a script, if it may need memory. To move, refresh or settle a message
// hardly does, and nothing else makes room: so every such script begins with a write that needs none.
// Source: redis 6.2 scripting.c, luaRedisGenericCommand; 7 script.c, scriptVerifyOOM.
const evenWhenFull = (index: string): string => `redis.call('ZREM', ${index}, '')`

/**
 * Settles a batch and claims the next, in one atomic step.
 *
 * KEYS: unacked, unacked_index, quarantine, quarantine times, then the lists in consuming order.
 * ARGV: score of this exchange, number wanted, now (ms), number settled, then the queue's name as JSON for every list, then
 * for every settled message: tag, score it is held under, result key or '', ttl, rank, result text.
 * Answers: one digit per settled message (0 another owner, 1 settled, 2 not held by anybody), then for each
 * claimed message the number of its list and its text; what was quarantined comes as list 0 and the record's id.
 *
 * A message whose tag is held already, as a copy of it from another queue, gets another tag, in its text too.
 * A message is copied into unacked before it is cut from its list: an error between the two leaves it twice, never nowhere.
 * Source of the layout: kombu/transport/redis.py, QoS.append, QoS.ack; result: celery/backends/redis.py, RedisBackend._set.
 */
export const exchangeScript = redisScript(
  'exchange',
  `${storeFunction}${tagFunction}${retagFunction}${quarantineFunction}
${evenWhenFull('KEYS[2]')}
local unacked, index = KEYS[1], KEYS[2]
local score, want, now, count = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local lists = #KEYS - 4
local answer = {''}
if count > 0 then
  local first = 5 + lists
  local tags, digits, mine = {}, {}, {}
  for i = 0, count - 1 do tags[i + 1] = ARGV[first + i * 6] end
  local owners = redis.call('ZMSCORE', index, unpack(tags))
  for i = 0, count - 1 do
    local at = first + i * 6
    local owner = owners[i + 1]
    if not owner then digits[i + 1] = '2'
    elseif tonumber(owner) ~= tonumber(ARGV[at + 1]) then digits[i + 1] = '0'
    else
      digits[i + 1] = '1'
      if ARGV[at + 2] ~= '' then store(ARGV[at + 2], ARGV[at + 3], ARGV[at + 4], ARGV[at + 5]) end
      mine[#mine + 1] = ARGV[at]
    end
  end
  if #mine > 0 then
    redis.call('HDEL', unacked, unpack(mine))
    redis.call('ZREM', index, unpack(mine))
  end
  answer[1] = table.concat(digits)
end
local n = 1
local seen = {}
for l = 1, lists do
  if want <= 0 then break end
  local list = KEYS[4 + l]
  local texts = redis.call('LRANGE', list, -want, -1)
  local found = #texts
  if found > 0 then
    local tail = ',"",' .. ARGV[4 + l] .. ']'
    local held, scored, shown = {}, {}, {}
    local h = 0
    for i = found, 1, -1 do
      local text = texts[i]
      local tag, reason = tagOf(text)
      if tag then
        h = h + 2
        held[h - 1], held[h] = tag, '[' .. text .. tail
        scored[h - 1], scored[h] = score, tag
        answer[n + 1], answer[n + 2] = l, text
        n = n + 2
        shown[h] = n
      else
        local id = score .. '-' .. l .. '-' .. i
        quarantine(KEYS[3], KEYS[4], now, id, cjson.encode({
          queue = cjson.decode(ARGV[4 + l]), reason = reason, atMs = now, text = text
        }))
        answer[n + 1], answer[n + 2] = 0, id
        n = n + 2
      end
    end
    if h > 0 then
      if redis.call('ZADD', index, 'NX', unpack(scored)) < h / 2 then
        for at = 2, h, 2 do
          local tag = scored[at]
          if redis.call('HEXISTS', unacked, tag) == 1 or seen[tag] then
            local fresh = tag .. '~' .. score .. '-' .. l .. '-' .. at
            local text = retagged(answer[shown[at]], tag, fresh)
            answer[shown[at]] = text
            scored[at], held[at - 1], held[at] = fresh, fresh, '[' .. text .. tail
          end
          seen[tag] = true
        end
        redis.call('ZADD', index, unpack(scored))
      end
      redis.call('HSET', unacked, unpack(held))
    end
    redis.call('LTRIM', list, 0, -found - 1)
    want = want - found
  end
end
return answer
`,
)

/**
 * Moves held messages back into lists, each only if it is still held under the score that the caller saw.
 *
 * KEYS: unacked, unacked_index, list per message. ARGV per message: tag, score, `front` or `back`, text.
 * Answers one digit per message as `exchangeScript` does.
 * Source: kombu/transport/redis.py, QoS.restore_by_tag and QoS.reject, which put it back without asking whose it is.
 */
export const requeueScript = redisScript(
  'requeue',
  `
${evenWhenFull('KEYS[2]')}
local digits = {}
for i = 1, #KEYS - 2 do
  local at = i * 4 - 3
  local owner = redis.call('ZSCORE', KEYS[2], ARGV[at])
  if not owner then digits[i] = '2'
  elseif tonumber(owner) ~= tonumber(ARGV[at + 1]) then digits[i] = '0'
  else
    redis.call(ARGV[at + 2] == 'front' and 'RPUSH' or 'LPUSH', KEYS[2 + i], ARGV[at + 3])
    redis.call('ZREM', KEYS[2], ARGV[at])
    redis.call('HDEL', KEYS[1], ARGV[at])
    digits[i] = '1'
  end
end
return table.concat(digits)
`,
)

/**
 * Changes the scores of held messages: a refreshed lease, or with a text a parked message.
 *
 * KEYS: unacked, unacked_index. ARGV per message: tag, score, new score, new entry of unacked or ''.
 * Answers one digit per message as `exchangeScript` does. kombu has no counterpart: it never refreshes a score.
 */
export const rescoreScript = redisScript(
  'rescore',
  `
${evenWhenFull('KEYS[2]')}
local digits = {}
for i = 1, #ARGV / 4 do
  local at = i * 4 - 3
  local owner = redis.call('ZSCORE', KEYS[2], ARGV[at])
  if not owner then digits[i] = '2'
  elseif tonumber(owner) ~= tonumber(ARGV[at + 1]) then digits[i] = '0'
  else
    redis.call('ZADD', KEYS[2], ARGV[at + 2], ARGV[at])
    if ARGV[at + 3] ~= '' then redis.call('HSET', KEYS[1], ARGV[at], ARGV[at + 3]) end
    digits[i] = '1'
  end
end
return table.concat(digits)
`,
)

/**
 * What is held under scores of a range: due and expired messages, or what one exchange claimed.
 *
 * KEYS: unacked, unacked_index. ARGV: lowest score, highest score, limit.
 * Answers tag, score, entry in turns; then the lowest score that is left, or ''. An index without its entry is removed.
 * Source: kombu/transport/redis.py, QoS.restore_visible (ZREVRANGEBYSCORE).
 */
export const heldScript = redisScript(
  'held',
  `
local answer = {}
local found = redis.call('ZRANGEBYSCORE', KEYS[2], ARGV[1], ARGV[2], 'WITHSCORES', 'LIMIT', 0, ARGV[3])
for i = 1, #found, 2 do
  local entry = redis.call('HGET', KEYS[1], found[i])
  if entry then
    answer[#answer + 1] = found[i]
    answer[#answer + 1] = found[i + 1]
    answer[#answer + 1] = entry
  else redis.call('ZREM', KEYS[2], found[i]) end
end
local next = redis.call('ZRANGEBYSCORE', KEYS[2], '(' .. ARGV[2], '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
answer[#answer + 1] = next[2] or ''
return answer
`,
)

/**
 * Takes a held message out of its queue and keeps it apart. KEYS: unacked, unacked_index, quarantine, quarantine times.
 * ARGV: tag, score, now (ms), id, record. Answers one digit as `exchangeScript` does.
 */
export const quarantineScript = redisScript(
  'quarantine',
  `${quarantineFunction}
${evenWhenFull('KEYS[2]')}
local owner = redis.call('ZSCORE', KEYS[2], ARGV[1])
if not owner then return '2' end
if tonumber(owner) ~= tonumber(ARGV[2]) then return '0' end
quarantine(KEYS[3], KEYS[4], tonumber(ARGV[3]), ARGV[4], ARGV[5])
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('HDEL', KEYS[1], ARGV[1])
return '1'
`,
)

/** Puts a quarantined text back. KEYS: quarantine, quarantine times, list. ARGV: id, text. Answers 0 when it was gone. */
export const unquarantineScript = redisScript(
  'unquarantine',
  `
if redis.call('HDEL', KEYS[1], ARGV[1]) == 0 then return 0 end
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('LPUSH', KEYS[3], ARGV[2])
return 1
`,
)

/** Binds queues to an exchange, also on a full server. KEYS: set of the exchange. ARGV: members. Source: kombu, Channel._queue_bind. */
export const bindScript = redisScript(
  'bind',
  `
redis.call('SREM', KEYS[1], '')
redis.call('SADD', KEYS[1], unpack(ARGV))
`,
)

/** Deletes lists and removes parked messages. KEYS: unacked, unacked_index, lists. ARGV: parked tags. Answers how many. */
export const purgeScript = redisScript(
  'purge',
  `
local count = 0
for i = 3, #KEYS do
  count = count + redis.call('LLEN', KEYS[i])
  redis.call('DEL', KEYS[i])
end
for i = 1, #ARGV, 2 do
  local score = redis.call('ZSCORE', KEYS[2], ARGV[i])
  if score and tonumber(score) == tonumber(ARGV[i + 1]) then
    redis.call('ZREM', KEYS[2], ARGV[i])
    redis.call('HDEL', KEYS[1], ARGV[i])
    count = count + 1
  end
end
return count
`,
)

/** Reads and removes up to ARGV[1] messages that need no acknowledgement. KEYS: lists. Source: kombu, no_ack consumers. */
export const takeScript = redisScript(
  'take',
  `
local texts = {}
local want = tonumber(ARGV[1])
for i = 1, #KEYS do
  if want <= 0 then break end
  for _, text in ipairs(redis.call('RPOP', KEYS[i], want) or {}) do
    texts[#texts + 1] = text
    want = want - 1
  end
end
return texts
`,
)

/** Prolongs a lock that still carries our token. KEYS: lock. ARGV: token, ttl (ms). */
export const renewScript = redisScript(
  'renew',
  `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
`,
)
