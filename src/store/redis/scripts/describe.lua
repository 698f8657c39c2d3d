#!lua flags=allow-oom
-- KEYS m q c; ARGV: oldest hour that has not expired, how many entries to show.
-- Returns {fields, card, queued messages, entries}, or nothing if there is no such mailbox.
if redis.call('EXISTS', KEYS[1]) == 0 then return false end
drop_expired(KEYS[1], KEYS[2], tonumber(ARGV[1]), math.huge)
local entries = {}
if tonumber(ARGV[2]) > 0 then entries = redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', ARGV[2]) end
-- A queue that expired as a whole left its bytes on the books.
local queued = redis.call('XLEN', KEYS[2])
if queued == 0 then redis.call('HSET', KEYS[1], 'b', 0) end
local fields = {}
local flat = redis.call('HGETALL', KEYS[1])
for i = 1, #flat do fields[i] = flat[i] end
return { fields, redis.call('GET', KEYS[3]) or '', queued, entries }
