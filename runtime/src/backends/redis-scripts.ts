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

// KEYS of every chord script: parts, added, size, texts by task id (tq's own), open chords (tq's own).
const chordFunctions = `
local parts, added, size, texts, open = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local function complete()
  local wanted = redis.call('GET', size)
  if not wanted then return 0 end
  local more = redis.call('GET', added) or 0
  if redis.call('ZCARD', parts) >= tonumber(wanted) + tonumber(more) then return 1 end
  return 0
end
local function expire(ttl)
  if ttl == '0' then return end
  for i = 1, 4 do redis.call('PEXPIRE', KEYS[i], ttl) end
end
`

/** ARGV: group id, now (ms), ttl (ms), number of parts. Source: celery/backends/redis.py, RedisBackend.set_chord_size. */
export const openChordScript = redisScript(
  'openChord',
  `${chordFunctions}
redis.call('SET', size, ARGV[4])
redis.call('ZADD', open, ARGV[2], ARGV[1])
expire(ARGV[3])
redis.call('PUBLISH', size, ARGV[4])
`,
)

/**
 * ARGV: group id, now (ms), ttl (ms), index, task id, text. Answers 1 when all parts are there. A part that ran twice and gave
 * two texts is one part here; to Celery it would be two.
 * Source: celery/backends/redis.py, RedisBackend.on_chord_part_return.
 */
export const joinChordScript = redisScript(
  'joinChord',
  `${chordFunctions}
local before = redis.call('HGET', texts, ARGV[5])
if before and before ~= ARGV[6] then redis.call('ZREM', parts, before) end
redis.call('HSET', texts, ARGV[5], ARGV[6])
redis.call('ZADD', parts, ARGV[4], ARGV[6])
expire(ARGV[3])
redis.call('ZADD', open, 'XX', ARGV[2], ARGV[1])
return complete()
`,
)

/** ARGV: group id. Answers 1 for a complete chord, 0 for one that waits; forgets one that Python finished or that expired. */
export const chordStateScript = redisScript(
  'chordState',
  `${chordFunctions}
if redis.call('EXISTS', size) == 0 then redis.call('ZREM', open, ARGV[1]) end
return complete()
`,
)

/** ARGV: group id. */
export const closeChordScript = redisScript(
  'closeChord',
  `${chordFunctions}
redis.call('DEL', parts, added, size, texts)
redis.call('ZREM', open, ARGV[1])
`,
)
