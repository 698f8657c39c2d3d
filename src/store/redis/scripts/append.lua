-- KEYS m q w; ARGV: key field, hour, entry, size, most messages, most bytes, when the queue expires,
-- mode (n new, r retried, e ephemeral), retry window, oldest hour that has not expired.
-- Returns the sequence; 0 for an ephemeral one; -1 refused; -2 full.
local known = redis.call('HMGET', KEYS[1], ARGV[1], 'n', 'b', 'h')
local ends = tonumber(known[1] or '-1')
if ends ~= 0 and ends <= tonumber(ARGV[2]) then return -1 end

local mode = ARGV[8]
if mode == 'e' then
  redis.call('SPUBLISH', KEYS[3], '\2' .. ARGV[3])
  return 0
end

local count = redis.call('XLEN', KEYS[2])
if mode == 'r' then
  local id = string.sub(ARGV[3], 6, 21)
  local from, left = '+', tonumber(ARGV[9])
  while left > 0 do
    local tail = redis.call('XREVRANGE', KEYS[2], from, '-', 'COUNT', math.min(left, 8))
    if #tail == 0 then break end
    for _, entry in ipairs(tail) do
      if string.sub(entry[2][2], 6, 21) == id then return tonumber(string.sub(entry[1], 3)) end
      from = '(' .. entry[1]
    end
    left = left - #tail
  end
end

local size = tonumber(ARGV[4])
local bytes = count > 0 and tonumber(known[3]) or 0
if count >= tonumber(ARGV[5]) or bytes + size > tonumber(ARGV[6]) then
  drop_expired(KEYS[1], KEYS[2], tonumber(ARGV[10]))
  count = redis.call('XLEN', KEYS[2])
  bytes = count > 0 and tonumber(redis.call('HGET', KEYS[1], 'b')) or 0
  if count >= tonumber(ARGV[5]) or bytes + size > tonumber(ARGV[6]) then return -2 end
end

local sequence = tonumber(known[2]) + 1
local text = number(sequence)
redis.call('XADD', KEYS[2], '0-' .. text, 'e', ARGV[3])
redis.call('HSET', KEYS[1], 'n', text, 'b', number(bytes + size), 'h', ARGV[2])
if count == 0 or known[4] ~= ARGV[2] then redis.call('EXPIREAT', KEYS[2], ARGV[7]) end
redis.call('SPUBLISH', KEYS[3], '\1' .. struct.pack('>I8', sequence) .. ARGV[3])
return sequence
