#!lua flags=allow-oom
-- KEYS m q; ARGV: session hash, cumulative sequence, further sequences …
-- Returns 0 if the session has ended, 1 if done, 2 if called again it would do more.
if redis.call('HGET', KEYS[1], 's') ~= ARGV[1] then return 0 end
local freed = 0
local function forget(from, to, most)
  local found = redis.call('XRANGE', KEYS[2], from, to, 'COUNT', most)
  local ids = {}
  for i, entry in ipairs(found) do
    ids[i] = entry[1]
    freed = freed + size_of(entry)
  end
  if #ids > 0 then redis.call('XDEL', KEYS[2], unpack(ids)) end
  return #ids
end
local more = forget('-', '0-' .. ARGV[2], 128) == 128
local payload = { '\4', struct.pack('>I8', tonumber(ARGV[2])) }
for i = 3, #ARGV do
  forget('0-' .. ARGV[i], '0-' .. ARGV[i], 1)
  payload[i] = struct.pack('>I8', tonumber(ARGV[i]))
end
settle(KEYS[1], KEYS[2], freed)
if more then return 2 end
redis.call('SPUBLISH', channel_of(KEYS[1]), table.concat(payload))
return 1
