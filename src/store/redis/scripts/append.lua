#!lua
-- KEYS m q; ARGV: channel, hour, most messages, most bytes, when the queue expires, retry window, oldest hour that has not
-- expired; then for each envelope: key field, mode (n new, r retried, e ephemeral), entry.
-- Returns for each its sequence; 0 for an ephemeral one; -1 refused; -2 full. One alone is no list.
local m, q, channel, hour = KEYS[1], KEYS[2], ARGV[1], ARGV[2]
local most, most_bytes = tonumber(ARGV[3]), tonumber(ARGV[4])
local key = ARGV[8]
local known = redis.call('HMGET', m, key, 'n', 'b', 'h')
local ends, last = tonumber(known[1] or '-1'), tonumber(known[2])
local count, bytes, waited, appended

local function drop(limit)
  local dropped, freed = drop_expired(m, q, tonumber(ARGV[7]), limit)
  count, bytes = count - dropped, bytes - freed
end

-- The sequence of an entry with this one's message id, among the last few.
local function find(entry)
  local id = string.sub(entry, 6, 21)
  local from, left = '+', tonumber(ARGV[6])
  while left > 0 do
    local tail = redis.call('XREVRANGE', q, from, '-', 'COUNT', math.min(left, 8))
    if #tail == 0 then return nil end
    for _, found in ipairs(tail) do
      if string.sub(found[2][2], 6, 21) == id then return tonumber(string.sub(found[1], 3)) end
      from = '(' .. found[1]
    end
    left = left - #tail
  end
end

local function append(mode, entry)
  if ends ~= 0 and ends <= tonumber(hour) then return -1 end
  if mode == 'e' then
    redis.call('SPUBLISH', channel, '\2' .. entry)
    return 0
  end
  if mode == 'r' then
    local found = find(entry)
    if found then
      -- A write, so that whoever waits for replicas now waits for this entry too.
      redis.call('HSET', m, 'h', appended and hour or known[4])
      return found
    end
  end
  if not count then
    count = redis.call('XLEN', q)
    bytes = count > 0 and tonumber(known[3]) or 0
    waited = count > 0
    -- Once an hour what has expired goes, so that a mailbox that nobody opens does not grow by it.
    if waited and known[4] ~= hour then drop(64) end
  end
  local size = #entry - HEADER
  if count >= most or bytes + size > most_bytes then
    drop(math.huge)
    if count >= most or bytes + size > most_bytes then return -2 end
  end
  count, bytes, last, appended = count + 1, bytes + size, last + 1, true
  redis.call('XADD', q, '0-' .. number(last), 'e', entry)
  redis.call('SPUBLISH', channel, '\1' .. struct.pack('>I8', last) .. entry)
  return last
end

local answers = {}
for i = 8, #ARGV, 3 do
  if ARGV[i] ~= key then
    key = ARGV[i]
    ends = tonumber(redis.call('HGET', m, key) or '-1')
  end
  answers[#answers + 1] = append(ARGV[i + 1], ARGV[i + 2])
end
if appended then
  redis.call('HSET', m, 'n', number(last), 'b', number(bytes), 'h', hour)
  if not waited or known[4] ~= hour then redis.call('EXPIREAT', q, ARGV[5]) end
end
if #answers == 1 then return answers[1] end
return answers
