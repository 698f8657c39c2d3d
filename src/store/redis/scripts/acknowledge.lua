#!lua flags=allow-oom
-- KEYS m q; ARGV: incarnation, then groups of one size each: size, how many (at most 512), id, id …
if redis.call('HGET', KEYS[1], 'i') ~= ARGV[1] then return 0 end
local freed, i = 0, 2
while i < #ARGV do
  local many = tonumber(ARGV[i + 1])
  freed = freed + tonumber(ARGV[i]) * redis.call('XDEL', KEYS[2], unpack(ARGV, i + 2, i + 1 + many))
  i = i + 2 + many
end
settle(KEYS[1], KEYS[2], freed)
return 1
