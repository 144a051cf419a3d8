-- Edges: the set `following:{t}:<user>`, and the list `followers:{t}:<author>` of those on shard t.
-- Builds on: 05_keys.lua, 10_common.lua.

-- Makes a user follow an author, and drops the user's timeline: the next read rebuilds it.
--   KEYS     following:{t}:<user>
--   ARGV     tag, user, author, limit (authors that one user may follow)
--   Returns  1; 0 when the user followed already. Error FOLLOWLIMIT
register('follow', function(keys, args)
  local tag, user, author = args[1], args[2], args[3]
  if redis.call('SISMEMBER', keys[1], author) == 1 then return 0 end
  if redis.call('SCARD', keys[1]) >= tonumber(args[4]) then
    return fail('FOLLOWLIMIT', 'follows as many as allowed')
  end
  redis.call('SADD', keys[1], author)
  redis.call('RPUSH', followers_key(tag, author), user) -- the tail: running jobs have passed it
  redis.call('DEL', timeline_key(tag, user))
  return 1
end)

-- Ends that a user follows an author, and drops the user's timeline.
--   KEYS     following:{t}:<user>
--   ARGV     tag, user, author
--   Returns  1; 0 when the user did not follow
register('unfollow', function(keys, args)
  local tag, user, author = args[1], args[2], args[3]
  if redis.call('SREM', keys[1], author) == 0 then return 0 end
  redis.call('LREM', followers_key(tag, author), 1, user)
  redis.call('DEL', timeline_key(tag, user))
  -- Later followers moved one position to the head, so a running job may meet one of them twice: it
  -- must use ordered inserts from now on.
  local watermark = watermark_key(tag)
  raise_to(watermark, math.max(number_at(watermark) + 1, (now_ms() - EPOCH_MS) * 4096))
  return 1
end, {'allow-oom'})

-- Counts the followers of several authors on a shard.
--   KEYS     watermark:{t}
--   ARGV     tag, author...
--   Returns  the count for each author; 1 where it cannot be told, since the key holds no list
register('count_followers', function(_, args)
  local lists, counts = {}, {}
  for i = 2, #args do lists[i - 1], counts[i - 1] = followers_key(args[1], args[i]), 0 end
  -- Mostly there are none: one call tells it for all.
  if redis.call('EXISTS', unpack(lists)) == 0 then return counts end
  for i = 1, #lists do
    local count = redis.pcall('LLEN', lists[i])
    counts[i] = type(count) == 'number' and count or 1
  end
  return counts
end, {'no-writes'})
