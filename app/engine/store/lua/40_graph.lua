-- Edges. `following:{t}:<user>` is a set; `followers:{t}:<author>` lists those followers of the author
-- who live on shard t. Both live on the follower's shard, so one call changes both.

-- KEYS following  ARGV tag user followee limit
-- New fans go to the tail: a running delivery walks from its start position to the head and never
-- meets them; they get the post from the log when their timeline is rebuilt.
register('follow', function(keys, args)
  local tag, user, followee = args[1], args[2], args[3]
  if redis.call('SISMEMBER', keys[1], followee) == 1 then return 0 end
  if redis.call('SCARD', keys[1]) >= tonumber(args[4]) then
    return fail('FOLLOWLIMIT', 'follows as many as allowed')
  end
  redis.call('SADD', keys[1], followee)
  redis.call('RPUSH', followers_key(tag, followee), user)
  redis.call('DEL', timeline_key(tag, user))
  return 1
end)

-- KEYS following  ARGV tag user followee
-- Taking a fan out of the list moves later ones one place nearer to the head, so a running
-- delivery may meet one of them twice. Raising `newest` makes it insert with care from now on.
register('unfollow', function(keys, args)
  local tag, user, followee = args[1], args[2], args[3]
  if redis.call('SREM', keys[1], followee) == 0 then return 0 end
  redis.call('LREM', followers_key(tag, followee), 1, user)
  redis.call('DEL', timeline_key(tag, user))
  local watermark = watermark_key(tag)
  raise_to(watermark, math.max(number_at(watermark) + 1, (now_ms() - EPOCH_MS) * 4096))
  return 1
end, {'allow-oom'})
