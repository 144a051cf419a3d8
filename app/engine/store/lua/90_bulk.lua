-- Fast loading of a whole dataset. `loader:{t}` holds the token of the one loader that may write;
-- every call compares it, so a loader that was frozen and then replaced cannot spoil the new data.
-- Numbers come packed, four bytes each, the lowest first: parsing thousands of arguments would take
-- longer than storing them. All keys that are built here carry the declared key's tag.

local function require_loader(key, token)
  if redis.call('GET', key) ~= token then
    return fail('REPLACED', 'another loader took over')
  end
end

-- The numbers of a text whose length is a multiple of 16. Four at a time: half the time of one.
local function unpacked(text)
  local numbers, n = {}, 0
  for i = 1, #text, 16 do
    local a, b, c, d, e, f, g, h, j, k, l, m, o, p, q, r = string.byte(text, i, i + 15)
    numbers[n + 1] = a + b * 256 + c * 65536 + d * 16777216
    numbers[n + 2] = e + f * 256 + g * 65536 + h * 16777216
    numbers[n + 3] = j + k * 256 + l * 65536 + m * 16777216
    numbers[n + 4] = o + p * 256 + q * 65536 + r * 16777216
    n = n + 4
  end
  return numbers
end

-- KEYS loader  ARGV token tag packed
-- `packed`: user, count, value * count, user, count, ... and zeros to fill up. Appends the values
-- to the user's collection.
local function append(command, key_of)
  return function(keys, args)
    local refused = require_loader(keys[1], args[1])
    if refused then return refused end
    local stem, numbers = key_of(args[2]), unpacked(args[3])
    local at, last = 1, #numbers
    while at < last and numbers[at + 1] > 0 do
      local stop = at + 1 + numbers[at + 1]
      redis.call(command, stem .. num(numbers[at]), unpack(numbers, at + 2, stop))
      at = stop + 1
    end
    return 1
  end
end
register('bulk_followers', append('RPUSH', followers_key))
register('bulk_following', append('SADD', following_key))

-- KEYS loader  ARGV token tag ttl count packed
-- Installs the timeline [0], which is empty and complete, for `count` users.
register('bulk_timelines', function(keys, args)
  local refused = require_loader(keys[1], args[1])
  if refused then return refused end
  local stem, numbers = timeline_key(args[2]), unpacked(args[5])
  for i = 1, tonumber(args[4]) do
    local key = stem .. num(numbers[i])
    redis.call('DEL', key) -- a read that began before the loading may have left a marker
    redis.call('RPUSH', key, '0')
    redis.call('EXPIRE', key, args[3])
  end
  return 1
end)

-- KEYS loader  ARGV token key...
-- Removes keys of the declared key's tag, by the names that a SCAN found.
register('bulk_drop', function(keys, args)
  local refused = require_loader(keys[1], args[1])
  if refused then return refused end
  return redis.call('UNLINK', unpack(args, 2))
end, {'allow-oom'})

-- KEYS loader  ARGV token tag bitmap
register('bulk_users', function(keys, args)
  local refused = require_loader(keys[1], args[1])
  if refused then return refused end
  redis.call('SET', users_key(args[2]), args[3])
  return 1
end)
