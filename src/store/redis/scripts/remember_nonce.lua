#!lua flags=allow-oom
-- KEYS n; ARGV: mark, when the set expires. Returns 1 if the mark is new.
-- Allowed without memory: owners who take their envelopes out are what makes room.
local new = redis.call('SADD', KEYS[1], ARGV[1])
redis.call('EXPIREAT', KEYS[1], ARGV[2])
return new
