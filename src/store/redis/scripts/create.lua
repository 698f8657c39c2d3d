#!lua
-- KEYS m q c; ARGV: hour, when the mailbox is reclaimed, card, incarnation, then key field and the hour at which it ends, for each.
-- Returns 1 if it was made, 0 if there was one.
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('DEL', KEYS[2], KEYS[3])
redis.call('HSET', KEYS[1], 'n', 0, 'b', 0, 'g', 0, 't', ARGV[1], 'i', ARGV[4], unpack(ARGV, 5))
redis.call('EXPIREAT', KEYS[1], ARGV[2])
if ARGV[3] ~= '' then redis.call('SET', KEYS[3], ARGV[3], 'EXAT', ARGV[2]) end
return 1
