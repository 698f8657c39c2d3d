#!lua flags=allow-oom
-- KEYS m q c; ARGV: session hash, hour, when the mailbox is reclaimed.
-- Returns {generation, last sequence, queued messages, incarnation}, or nothing if there is no such mailbox.
if redis.call('EXISTS', KEYS[1]) == 0 then return false end
local generation = redis.call('HINCRBY', KEYS[1], 'g', 1)
redis.call('HSET', KEYS[1], 's', ARGV[1], 't', ARGV[2])
redis.call('EXPIREAT', KEYS[1], ARGV[3])
redis.call('EXPIREAT', KEYS[3], ARGV[3])
redis.call('SPUBLISH', channel_of(KEYS[1]), '\3' .. struct.pack('>I8', generation))
local known = redis.call('HMGET', KEYS[1], 'n', 'i')
return { generation, tonumber(known[1]), redis.call('XLEN', KEYS[2]), known[2] }
