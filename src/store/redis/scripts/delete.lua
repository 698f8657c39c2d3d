#!lua flags=allow-oom
-- KEYS m q c. Returns 1 if there was one, else 0.
local existed = redis.call('EXISTS', KEYS[1])
redis.call('DEL', KEYS[1], KEYS[2], KEYS[3])
if existed == 1 then redis.call('SPUBLISH', channel_of(KEYS[1]), '\5') end
return existed
