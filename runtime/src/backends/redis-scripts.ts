import { redisScript, storeFunction } from '../drivers/redis-script.ts'

/** Stores results and announces them. KEYS: result keys. ARGV: ttl (ms, '0' for ever), then rank and text per key. */
export const storeScript = redisScript(
  'store',
  `${storeFunction}
for i = 1, #KEYS do store(KEYS[i], ARGV[1], ARGV[i * 2], ARGV[i * 2 + 1]) end
`,
)

/**
 * Stores documents that no script can read and announces them, each only if what stands there is what the caller has seen.
 * KEYS: result keys. ARGV: ttl (ms, '0' for ever), then per key the SHA-1 of what was seen ('' for nothing) and the document. Answers a
 * digit per key: 1 is stored.
 */
export const swapScript = redisScript(
  'swap',
  `
local done = {}
for i = 1, #KEYS do
  local old = redis.call('GET', KEYS[i])
  if (old and redis.sha1hex(old) or '') == ARGV[i * 2] then
    if ARGV[1] == '0' then redis.call('SET', KEYS[i], ARGV[i * 2 + 1])
    else redis.call('SET', KEYS[i], ARGV[i * 2 + 1], 'PX', ARGV[1]) end
    redis.call('PUBLISH', KEYS[i], ARGV[i * 2 + 1])
    done[i] = '1'
  else done[i] = '0' end
end
return table.concat(done)
`,
)

// KEYS of every chord script: parts, added, size; then tq's own: texts by task id, record, waiting chords, complete chords.
const chordFunctions = `
local parts, added, size, texts, record, waiting, done = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7]
local function complete()
  local wanted = redis.call('GET', size)
  if not wanted then return false end
  local more = redis.call('GET', added) or 0
  return redis.call('ZCARD', parts) >= tonumber(wanted) + tonumber(more)
end
local function expire(ttl)
  if ttl == '0' then return end
  for i = 1, 5 do redis.call('PEXPIRE', KEYS[i], ttl) end
end
local function keepBody(body)
  if body ~= '' then redis.call('HSETNX', record, 'body', body) end
end
-- Where only Python's workers run, nobody else removes what Python has finished.
local function trim(set, now, ttl)
  if ttl == '0' then return end
  redis.call('ZREMRANGEBYSCORE', set, '-inf', tonumber(now) - tonumber(ttl))
  redis.call('PEXPIRE', set, ttl)
end
-- Among the complete ones from now on; false if it was there before.
local function isDone(id, now, ttl)
  redis.call('ZREM', waiting, id)
  local new = redis.call('ZADD', done, 'NX', now, id) == 1
  trim(done, now, ttl)
  return new
end
`

/**
 * ARGV: group id, now (ms), ttl (ms), number of parts, body ('' for none), places ('' for none).
 * Source: celery/backends/redis.py, RedisBackend.set_chord_size.
 */
export const openChordScript = redisScript(
  'openChord',
  `${chordFunctions}
redis.call('SET', size, ARGV[4])
keepBody(ARGV[5])
if ARGV[6] ~= '' then redis.call('HSET', record, 'places', ARGV[6]) end
if complete() then isDone(ARGV[1], ARGV[2], ARGV[3])
else
  redis.call('ZADD', waiting, ARGV[2], ARGV[1])
  trim(waiting, ARGV[2], ARGV[3])
end
expire(ARGV[3])
redis.call('PUBLISH', size, ARGV[4])
`,
)

/** ARGV: by how many, then id and index ('' for none) of each part. Source: celery/backends/redis.py, RedisBackend.add_to_chord. */
export const growChordScript = redisScript(
  'growChord',
  `${chordFunctions}
if ARGV[2] and redis.call('HEXISTS', record, '+' .. ARGV[2]) == 1 then return end
redis.call('INCRBY', added, ARGV[1])
for i = 2, #ARGV, 2 do redis.call('HSET', record, '+' .. ARGV[i], ARGV[i + 1]) end
local ttl = redis.call('PTTL', size)
if ttl > 0 then
  redis.call('PEXPIRE', added, ttl)
  redis.call('PEXPIRE', record, ttl)
end
`,
)

/**
 * KEYS: then the key of the part's result. ARGV: group id, now (ms), ttl (ms), index, task id, text, body ('' for none), then rank and
 * document of the part's result where it is to be stored. Answers 0 while parts are missing, 1 for the one that makes it complete, 2 after
 * that. A part that ran twice and gave two texts is one part here; to Celery it would be two.
 * Source: celery/backends/redis.py, RedisBackend.on_chord_part_return.
 */
export const joinChordScript = redisScript(
  'joinChord',
  `${chordFunctions}${storeFunction}
if ARGV[8] then store(KEYS[8], ARGV[3], ARGV[8], ARGV[9]) end
keepBody(ARGV[7])
local before = redis.call('HGET', texts, ARGV[5])
if before and before ~= ARGV[6] then redis.call('ZREM', parts, before) end
redis.call('HSET', texts, ARGV[5], ARGV[6])
redis.call('ZADD', parts, ARGV[4], ARGV[6])
expire(ARGV[3])
if not complete() then return 0 end
if isDone(ARGV[1], ARGV[2], ARGV[3]) then return 1 end
return 2
`,
)

/**
 * Takes on a chord that was found in one of the two sets. ARGV: group id, now (ms), 1 for the complete ones, scores up to which it is
 * quiet. Answers 1 for a complete chord, 0 for one that waits, -1 where there is nothing to do: another one was faster, Python
 * finished it, it expired, or it is in the other set now and may be taken from there once it was quiet.
 */
export const claimChordScript = redisScript(
  'claimChord',
  `${chordFunctions}
local among = ARGV[3] == '1' and done or waiting
local score = redis.call('ZSCORE', among, ARGV[1])
if not score or tonumber(score) > tonumber(ARGV[4]) then return -1 end
if redis.call('EXISTS', size) == 0 then
  redis.call('ZREM', among, ARGV[1])
  return -1
end
local now = complete()
if now ~= (ARGV[3] == '1') then
  redis.call('ZREM', among, ARGV[1])
  redis.call('ZADD', now and done or waiting, ARGV[2], ARGV[1])
  return -1
end
redis.call('ZADD', among, ARGV[2], ARGV[1])
return now and 1 or 0
`,
)

/** ARGV: group id. */
export const closeChordScript = redisScript(
  'closeChord',
  `${chordFunctions}
redis.call('DEL', parts, added, size, texts, record)
redis.call('ZREM', waiting, ARGV[1])
redis.call('ZREM', done, ARGV[1])
`,
)
