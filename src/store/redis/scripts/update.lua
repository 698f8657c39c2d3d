#!lua
-- KEYS m c; ARGV: hour, when the mailbox is reclaimed, 1 for new keys or 0, 1 for a new card or 0, card,
-- then key field and the hour at which it ends, for each.
-- Returns 1 if it was changed, 0 if there is none.
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
if ARGV[3] == '1' then
  for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do
    if string.sub(field, 1, 1) == 'k' then redis.call('HDEL', KEYS[1], field) end
  end
end
redis.call('HSET', KEYS[1], 't', ARGV[1], unpack(ARGV, 6))
redis.call('EXPIREAT', KEYS[1], ARGV[2])
if ARGV[4] == '1' then
  if ARGV[5] == '' then redis.call('DEL', KEYS[2]) else redis.call('SET', KEYS[2], ARGV[5]) end
end
redis.call('EXPIREAT', KEYS[2], ARGV[2])
return 1
