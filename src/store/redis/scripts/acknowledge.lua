#!lua flags=allow-oom
-- KEYS m q of each mailbox; ARGV for each mailbox: incarnation, how many groups of one size each, then for each of these: size, how many
-- (at most 512), id, id …
local call, at = redis.call, 1
for k = 1, #KEYS, 2 do
  local m, q = KEYS[k], KEYS[k + 1]
  local meant, freed = call('HGET', m, 'i') == ARGV[at], 0
  local groups = tonumber(ARGV[at + 1])
  at = at + 2
  for _ = 1, groups do
    local first = at + 2
    local last = at + 1 + ARGV[at + 1]
    if meant then freed = freed + ARGV[at] * call('XDEL', q, unpack(ARGV, first, last)) end
    at = last + 1
  end
  settle(m, q, freed)
end
return 1
