#!lua
-- KEYS m q of each mailbox; ARGV: hour, whom the caller takes this server for, then for each mailbox how many envelopes, and for each of
-- these: key field, mode (n new, r retried, e ephemeral; then what is handed on with what is published), entry.
-- Returns for each mailbox a list, for each envelope its sequence; 0 for an ephemeral one; -1 refused; -2 full. What would be alone in a
-- list is no list.
--
-- Redis's Lua touches every byte of every string that it makes, so none is made of an envelope: what is published is
-- announced, and follows.
local call, text = redis.call, string.format
local EPHEMERAL, RETRIED = string.byte('er', 1, 2)
local hour, run = ARGV[1], ARGV[2]
local now = tonumber(hour)
local function list(items) return #items == 1 and items[1] or items end
local answers, last_of_all = {}, 2
for k = 1, #KEYS, 2 do
  local m, q = KEYS[k], KEYS[k + 1]
  local w = 'w' .. string.sub(m, 2)
  local first = last_of_all + 2
  last_of_all = last_of_all + 1 + 3 * ARGV[last_of_all + 1]
  local key = ARGV[first]
  local known = call('HMGET', m, key, 'n', 'b', 'h')
  local ends, last, bytes, latest = known[1], known[2], known[3], known[4]
  local said = {}
  -- How many wait, once that matters; how many did before.
  local count, before
  for i = first, last_of_all, 3 do
    local mode, entry = ARGV[i + 1], ARGV[i + 2]
    local kind = string.byte(mode)
    local answer
    if ARGV[i] ~= key then
      key = ARGV[i]
      ends = call('HGET', m, key)
    end
    if ends ~= '0' and (not ends or tonumber(ends) <= now) then
      answer = -1
    elseif kind == EPHEMERAL then
      if call('SPUBLISH', w, '\2' .. mode) > 0 then call('SPUBLISH', w, entry) end
      answer = 0
    elseif kind == RETRIED then
      -- The sequence of an entry with this one's message id, among the last few.
      local id, from, left = string.sub(entry, 6, 21), '+', RETRY_WINDOW
      while left > 0 and not answer do
        local tail = call('XREVRANGE', q, from, '-', 'COUNT', math.min(left, 8))
        for _, found in ipairs(tail) do
          if string.sub(found[2][2], 6, 21) == id then
            answer = tonumber(string.sub(found[1], 3))
            break
          end
          from = '(' .. found[1]
        end
        left = #tail > 0 and left - #tail or 0
      end
      -- A write, so that whoever waits for replicas now waits for that entry too.
      if answer then call('HSET', m, 'h', before and hour or latest) end
    end
    if not answer then
      local size, most = #entry - HEADER, 0
      if not count then
        count = call('XLEN', q)
        before = count
        if count == 0 then
          bytes = 0
        elseif latest ~= hour then
          -- Once an hour what has expired goes, so that a mailbox that nobody opens does not grow by it.
          most = 64
        end
      end
      if count >= MOST_MESSAGES or bytes + size > MOST_BYTES then most = math.huge end
      if most > 0 then
        local dropped, freed = drop_expired(m, q, now - TTL_HOURS, most)
        count, bytes = count - dropped, bytes - freed
        if count == 0 then before = 0 end
      end
      if count >= MOST_MESSAGES or bytes + size > MOST_BYTES then
        answer = -2
      else
        answer = last + 1
        call('XADD', q, text('0-%d', answer), 'e', entry)
        if call('SPUBLISH', w, '\1' .. struct.pack('>I8', answer) .. run .. mode) > 0 then call('SPUBLISH', w, entry) end
        count, bytes, last = count + 1, bytes + size, answer
      end
    end
    said[#said + 1] = answer
  end
  answers[#answers + 1] = list(said)
  if last ~= known[2] then
    call('HSET', m, 'n', text('%d', last), 'b', text('%d', bytes), 'h', hour)
    if before == 0 or latest ~= hour then call('EXPIREAT', q, text('%d', (now + TTL_HOURS + 1) * 3600)) end
  end
end
return list(answers)
