#!lua flags=allow-oom
-- KEYS m q c; ARGV: channel. Returns 1 if there was one, else 0.
local existed = redis.call('EXISTS', KEYS[1])
redis.call('DEL', KEYS[1], KEYS[2], KEYS[3])
if existed == 1 then redis.call('SPUBLISH', ARGV[1], '\5') end
return existed
