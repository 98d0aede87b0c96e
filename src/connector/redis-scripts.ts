/**
 * The Lua that runs in Redis. A script is atomic: nobody sees half of it, and it is done whole or, where it fails, up to the
 * failing command; so each script looks before it writes.
 *
 * What a batch did and may not do twice is remembered beside the data, in the same script: `KEYS[1]` is a list of the last batches
 * of a flow and connector, `KEYS[2]` a hash of this batch, with a field for each call. Only the last `batchesKept` batches are
 * known: a daemon has two under way at most. Keys that a script makes of other keys rule Redis Cluster out.
 */
import { createHash } from 'node:crypto';

export interface RedisScript {
  readonly text: string;
  readonly sha: string;
}

const batchesKept = 16;
/** Thirty days: what a flow that is gone leaves behind goes too. */
const keptSeconds = 30 * 24 * 3600;

const remember = `
local function remember(call, reply)
  if call == '' then return end
  local isNew = redis.call('EXISTS', KEYS[2]) == 0
  redis.call('HSET', KEYS[2], call, reply)
  if isNew then
    redis.call('LPUSH', KEYS[1], KEYS[2])
    for _, old in ipairs(redis.call('LRANGE', KEYS[1], ${batchesKept}, -1)) do redis.call('DEL', old) end
    redis.call('LTRIM', KEYS[1], 0, ${batchesKept - 1})
  end
  redis.call('EXPIRE', KEYS[1], ${keptSeconds})
  redis.call('EXPIRE', KEYS[2], ${keptSeconds})
end
`;

/**
 * Writes rows as hashes, in order. ARGV: mode, seconds to live (0: for ever), call ('' : not remembered), then for each row its
 * verb and key (index in KEYS): `D` removes it; `S` sets a count of texts (field, value, …) and removes a count of fields.
 * Gives 0, or in mode insert the index of the key that is there already, with nothing written.
 */
export const saveHashes = script(`${remember}
local mode, ttl, call = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local function walk(visit)
  local at = 4
  while at <= #ARGV do
    local verb, key, set, drop = ARGV[at], tonumber(ARGV[at + 1]), 0, 0
    at = at + 2
    local first = at
    if verb == 'S' then
      set = tonumber(ARGV[at])
      drop = tonumber(ARGV[at + 1])
      first = at + 2
      at = first + set + drop
    end
    local clash = visit(verb, key, first, first + set - 1, first + set + drop - 1)
    if clash then return clash end
  end
  return 0
end
if mode == 'insert' then
  local there = {}
  local clash = walk(function(verb, key)
    if verb == 'D' then there[key] = 0 return nil end
    if (there[key] or redis.call('EXISTS', KEYS[key])) == 1 then return key end
    there[key] = 1
  end)
  if clash > 0 then return clash end
end
walk(function(verb, key, first, lastSet, lastDrop)
  if verb == 'D' then redis.call('DEL', KEYS[key]) return nil end
  if mode == 'update' and redis.call('EXISTS', KEYS[key]) == 0 then return nil end
  redis.call('HSET', KEYS[key], unpack(ARGV, first, lastSet))
  if lastDrop > lastSet then redis.call('HDEL', KEYS[key], unpack(ARGV, lastSet + 1, lastDrop)) end
  if ttl > 0 then redis.call('EXPIRE', KEYS[key], ttl) end
end)
remember(call, '1')
return 0
`);

/**
 * Writes whole texts if all of them are still as they were read. ARGV: seconds to live, call, then for each key from KEYS[3] on
 * the SHA-1 of the text that was read ('' : there was none) and the new text ('' : removed). Gives 1, or 0 with nothing written.
 */
export const swapTexts = script(`${remember}
local ttl, call = tonumber(ARGV[1]), ARGV[2]
for i = 3, #KEYS do
  local text = redis.call('GET', KEYS[i])
  local have = text and redis.sha1hex(text) or ''
  if have ~= ARGV[2 * i - 3] then return 0 end
end
for i = 3, #KEYS do
  local text = ARGV[2 * i - 2]
  if text == '' then redis.call('DEL', KEYS[i])
  elseif ttl > 0 then redis.call('SET', KEYS[i], text, 'EX', ttl)
  else redis.call('SET', KEYS[i], text) end
end
remember(call, '1')
return 1
`);

/** Runs one command of the user's once in a batch, and gives its first reply again afterwards. ARGV: call, command, arguments. */
export const callOnce = script(`${remember}
local known = redis.call('HGET', KEYS[2], ARGV[1])
if known then return cmsgpack.unpack(known) end
local reply = redis.call(unpack(ARGV, 2))
remember(ARGV[1], cmsgpack.pack(reply))
return reply
`);

function script(text: string): RedisScript {
  return { text, sha: createHash('sha1').update(text).digest('hex') };
}
