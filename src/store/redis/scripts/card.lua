#!lua flags=no-writes
-- KEYS m c; ARGV: key field, hour. Returns the card, empty if there is none; nothing if refused.
local card = redis.call('GET', KEYS[2])
local ends = tonumber(redis.call('HGET', KEYS[1], ARGV[1]) or '-1')
if ends ~= 0 and ends <= tonumber(ARGV[2]) then return false end
return card or ''
