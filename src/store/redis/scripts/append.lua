#!lua
-- KEYS m q; ARGV: hour, whom the caller takes this server for, then for each envelope: key field, mode (n new, r retried,
-- e ephemeral), entry.
-- MOST_MESSAGES, MOST_BYTES, TTL_HOURS and RETRY_WINDOW stand before this.
-- Returns for each its sequence; 0 for an ephemeral one; -1 refused; -2 full. One alone is no list.
--
-- Redis's Lua touches every byte of every string that it makes, so none is made of an envelope: what is published is
-- announced, and follows.
local m, q, hour = KEYS[1], KEYS[2], ARGV[1]
local w = channel_of(m)
local key = ARGV[3]
local known = redis.call('HMGET', m, key, 'n', 'b', 'h')
local ends, last, bytes, latest = known[1], known[2], known[3], known[4]
-- How many wait, once that matters; how many did before.
local count, before

-- The sequence of an entry with this one's message id, among the last few.
local function find(entry)
  local id = string.sub(entry, 6, 21)
  local from, left = '+', RETRY_WINDOW
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

local function drop(most)
  local dropped, freed = drop_expired(m, q, hour - TTL_HOURS, most)
  count, bytes = count - dropped, bytes - freed
end

local answers = {}
for i = 3, #ARGV, 3 do
  local mode, entry = ARGV[i + 1], ARGV[i + 2]
  local answer
  if ARGV[i] ~= key then
    key = ARGV[i]
    ends = redis.call('HGET', m, key)
  end
  if ends ~= '0' and (not ends or tonumber(ends) <= tonumber(hour)) then
    answer = -1
  elseif mode == 'e' then
    redis.call('SPUBLISH', w, '\2')
    redis.call('SPUBLISH', w, entry)
    answer = 0
  elseif mode == 'r' then
    answer = find(entry)
    -- A write, so that whoever waits for replicas now waits for that entry too.
    if answer then redis.call('HSET', m, 'h', before and hour or latest) end
  end
  if not answer then
    if not count then
      -- Without bytes there is no queue. With some it may have expired.
      count = bytes ~= '0' and redis.call('XLEN', q) or 0
      before = count
      if count == 0 then bytes = 0 end
      -- Once an hour what has expired goes, so that a mailbox that nobody opens does not grow by it.
      if count > 0 and latest ~= hour then drop(64) end
    end
    local size = #entry - HEADER
    if count >= MOST_MESSAGES or bytes + size > MOST_BYTES then drop(math.huge) end
    if count >= MOST_MESSAGES or bytes + size > MOST_BYTES then
      answer = -2
    else
      answer = last + 1
      local text = number(answer)
      redis.call('XADD', q, '0-' .. text, 'e', entry)
      redis.call('SPUBLISH', w, '\1' .. struct.pack('>I8', answer) .. ARGV[2])
      redis.call('SPUBLISH', w, entry)
      count, bytes, last = count + 1, bytes + size, answer
    end
  end
  answers[#answers + 1] = answer
end
if last ~= known[2] then
  redis.call('HSET', m, 'n', number(last), 'b', number(bytes), 'h', hour)
  if before == 0 or latest ~= hour then redis.call('EXPIREAT', q, number((hour + TTL_HOURS + 1) * 3600)) end
end
if #answers == 1 then return answers[1] end
return answers
