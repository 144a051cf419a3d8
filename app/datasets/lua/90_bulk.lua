-- Fast loading of a whole dataset.
-- Builds on: 05_keys.lua, 10_common.lua.
--
-- `loader:{t}` holds the token of the one loader that may write; every call compares it, so a
-- loader that was frozen and then replaced cannot spoil the new data. Numbers come packed, four
-- bytes each, the lowest first: parsing thousands of arguments would take longer than storing them.
-- All keys that are built here carry the declared key's tag. Each function fails with REPLACED when
-- the token is not the one that may write.

-- Registers a function that refuses every loader but the one that may write.
local function register_guarded(name, callback, flags)
  register(name, function(keys, args)
    if redis.call('GET', keys[1]) ~= args[1] then
      return fail('REPLACED', 'another loader took over')
    end
    return callback(args)
  end, flags)
end

-- Makes a loader the only one that may write.
--   KEYS     loader:{t}
--   ARGV     token
--   Returns  OK
register('bulk_take_over', function(keys, args)
  return redis.call('SET', keys[1], args[1], 'EX', 86400)
end)

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

-- bulk_followers, bulk_following: append values to the collections of users.
--   KEYS     loader:{t}
--   ARGV     token, tag
--            packed       user, count, value * count, user, count, ... and zeros to fill up
--   Returns  1
local function append(command, key_of)
  return function(args)
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
register_guarded('bulk_followers', append('RPUSH', followers_key))
register_guarded('bulk_following', append('SADD', following_key))

-- Installs the timeline [0], which is empty and complete, for users.
--   KEYS     loader:{t}
--   ARGV     token, tag
--            ttl          seconds until the timelines expire
--            count        users
--            packed       their ids
--   Returns  1
register_guarded('bulk_timelines', function(args)
  local stem, numbers = timeline_key(args[2]), unpacked(args[5])
  for i = 1, tonumber(args[4]) do
    local key = stem .. num(numbers[i])
    redis.call('DEL', key) -- a read that began before the loading may have left a marker
    redis.call('RPUSH', key, '0')
    redis.call('EXPIRE', key, args[3])
  end
  return 1
end)

-- Removes keys, by the names that a SCAN found.
--   KEYS     loader:{t}
--   ARGV     token
--            key...       of the declared key's tag
--   Returns  how many were removed
register_guarded('bulk_drop', function(args)
  return redis.call('UNLINK', unpack(args, 2))
end, {'allow-oom'})

-- Installs which users exist on a shard.
--   KEYS     loader:{t}
--   ARGV     token, tag
--            bitmap       one bit for each user
--   Returns  1
register_guarded('bulk_users', function(args)
  redis.call('SET', users_key(args[2]), args[3])
  return 1
end)
