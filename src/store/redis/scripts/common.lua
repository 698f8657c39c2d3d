-- Sealpost, shared by the scripts of one mailbox. See docs/redis.md for the keys.
-- m: hash (n last sequence, b queued bytes if there is a queue, h hour of the last append, g generation, i incarnation, s session hash, t hour in which
--    the owner was last here, k<hash> hour at which a delivery key ends or 0), q: stream, c: card.
-- An entry: 1 byte format, 4 bytes hour, 16 bytes message id, envelope.
local HEADER = 21

local function size_of(entry) return #entry[2][2] - HEADER end
local function hour_of(entry) return (struct.unpack('>I4', entry[2][2], 2)) end
local function number(n) return string.format('%d', n) end
local function channel_of(m) return 'w' .. string.sub(m, 2) end

-- Takes freed bytes off the books of a mailbox that there is, or an empty stream off the server: without one, nothing counts what
-- stands on the books.
local function settle(m, q, freed)
  if freed == 0 then return end
  if redis.call('XLEN', q) == 0 then
    redis.call('DEL', q)
  else
    redis.call('HINCRBY', m, 'b', number(-freed))
  end
end

-- Deletes up to about `most` entries accepted before the hour `oldest`; returns how many, and their bytes. They are at the head, for
-- hours never fall by much.
local function drop_expired(m, q, oldest, most)
  local dropped, freed, page = 0, 0, 1
  while dropped < most do
    local dead = {}
    for _, entry in ipairs(redis.call('XRANGE', q, '-', '+', 'COUNT', page)) do
      if hour_of(entry) >= oldest then break end
      dead[#dead + 1] = entry[1]
      freed = freed + size_of(entry)
    end
    if #dead > 0 then redis.call('XDEL', q, unpack(dead)) end
    dropped = dropped + #dead
    if #dead < page then break end
    page = 16
  end
  settle(m, q, freed)
  return dropped, freed
end
