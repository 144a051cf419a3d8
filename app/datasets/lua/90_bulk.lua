-- Fast loading of a whole dataset.
-- Builds on: 05_keys.lua, 10_common.lua.
--
-- `loader:{t}` holds the token of the one loader that may write; every call compares it, so a
-- loader that was frozen and then replaced cannot spoil the new data. All functions declare this
-- key, begin their arguments with token and tag, and touch only keys of this tag. Numbers come
-- packed, four bytes each, the lowest first: parsing thousands of arguments would take longer than
-- storing them.

-- Makes a loader the only one that may write.
--   Returns  OK
register('bulk_take_over', function(keys, args)
  return redis.call('SET', keys[1], args[1], 'EX', 86400)
end)

-- Registers a function that fails with REPLACED for every loader but the one that may write.
local function register_guarded(name, callback, flags)
  register(name, function(keys, args)
    if redis.call('GET', keys[1]) ~= args[1] then
      return fail('REPLACED', 'another loader took over')
    end
    return callback(args[2], unpack(args, 3))
  end, flags)
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

-- bulk_followers, bulk_following: append values to the collections of users.
--   ARGV     packed       user, count, value * count, user, count, ... and zeros to fill up
--   Returns  nothing
local function append(command, key_of)
  return function(tag, packed)
    local stem, numbers = key_of(tag), unpacked(packed)
    local at = 1
    while at < #numbers and numbers[at + 1] > 0 do
      local last = at + 1 + numbers[at + 1]
      redis.call(command, stem .. num(numbers[at]), unpack(numbers, at + 2, last))
      at = last + 1
    end
  end
end
register_guarded('bulk_followers', append('RPUSH', followers_key))
register_guarded('bulk_following', append('SADD', following_key))

-- Installs the timeline [0], which is empty and complete, for users.
--   ARGV     ttl          seconds until the timelines expire
--            count        users
--            packed       their ids
--   Returns  nothing
register_guarded('bulk_timelines', function(tag, ttl, count, packed)
  local stem, numbers = timeline_key(tag), unpacked(packed)
  for i = 1, tonumber(count) do
    local key = stem .. num(numbers[i])
    redis.call('DEL', key) -- a read that began before the loading may have left a marker
    redis.call('RPUSH', key, '0')
    redis.call('EXPIRE', key, ttl)
  end
end)

-- Removes keys, by the names that a SCAN found.
--   ARGV     key...
--   Returns  how many were removed
register_guarded('bulk_drop', function(_, ...)
  return redis.call('UNLINK', ...)
end, {'allow-oom'})

-- Installs which users exist on a shard.
--   ARGV     bitmap       one bit for each user
--   Returns  OK
register_guarded('bulk_users', function(tag, bitmap)
  return redis.call('SET', users_key(tag), bitmap)
end)
