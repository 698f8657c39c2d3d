-- KEYS m q; ARGV: groups of one size each: size, how many, id, id …
local freed, i = 0, 1
while i < #ARGV do
  local many = tonumber(ARGV[i + 1])
  freed = freed + tonumber(ARGV[i]) * redis.call('XDEL', KEYS[2], unpack(ARGV, i + 2, i + 1 + many))
  i = i + 2 + many
end
settle(KEYS[1], KEYS[2], freed)
return 1
