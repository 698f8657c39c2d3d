#!lua flags=allow-oom
-- KEYS m q; ARGV: session hash, sequence to start after, most messages, most bytes, oldest hour that has not expired.
-- Returns {last sequence if these are all or -1, id, entry, id, entry …}, or nothing if the session has ended.
local known = redis.call('HMGET', KEYS[1], 's', 'n')
if known[1] ~= ARGV[1] then return false end
local most, room, oldest = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local answer, found, freed = { -1 }, 0, 0
local from = '(0-' .. ARGV[2]
while true do
  local page = redis.call('XRANGE', KEYS[2], from, '+', 'COUNT', 16)
  for _, entry in ipairs(page) do
    from = '(' .. entry[1]
    local size = size_of(entry)
    if hour_of(entry) < oldest then
      redis.call('XDEL', KEYS[2], entry[1])
      freed = freed + size
    else
      if found == most or size > room then
        settle(KEYS[1], KEYS[2], freed)
        return answer
      end
      found, room = found + 1, room - size
      answer[2 * found], answer[2 * found + 1] = entry[1], entry[2][2]
    end
  end
  if #page < 16 then break end
end
settle(KEYS[1], KEYS[2], freed)
answer[1] = tonumber(known[2])
return answer
