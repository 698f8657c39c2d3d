#!lua flags=allow-oom
-- KEYS m q c; ARGV: oldest hour that has not expired, how many entries to show.
-- Returns {fields, card, queued messages, entries}, or nothing if there is no such mailbox.
if redis.call('EXISTS', KEYS[1]) == 0 then return false end
drop_expired(KEYS[1], KEYS[2], tonumber(ARGV[1]), math.huge)
local entries = {}
if tonumber(ARGV[2]) > 0 then entries = redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', ARGV[2]) end
return { redis.call('HGETALL', KEYS[1]), redis.call('GET', KEYS[3]) or '', redis.call('XLEN', KEYS[2]), entries }
