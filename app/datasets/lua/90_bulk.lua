-- Fast loading of a whole dataset.
-- Builds on: 05_keys.lua, 10_common.lua.
--
-- `loader:{t}` holds the token of the one loader that may write; every call compares it, so a
-- loader that was frozen and then replaced cannot spoil the new data. All functions declare this
-- key, begin their arguments with token and tag, and touch only keys of this tag. Numbers come as a
-- JSON array: thousands of arguments would take longer to parse than to store.

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

-- bulk_followers, bulk_following: append values to the collections of users.
--   ARGV     packed       [user, count, value * count, user, count, ...]
--   Returns  nothing
local function append(command, key_of)
  return function(tag, packed)
    local stem, numbers, at = key_of(tag), cjson.decode(packed), 1
    while at < #numbers do
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
--            packed       [user, ...]
--   Returns  nothing
register_guarded('bulk_timelines', function(tag, ttl, packed)
  for _, user in ipairs(cjson.decode(packed)) do
    local key = timeline_key(tag) .. num(user)
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
