-- Releases: delivering the deferred posts of an author who goes back to push.
-- Builds on: 05_keys.lua, 10_common.lua, 20_timeline.lua, 50_pulled_authors.lua, 60_jobs.lua.

-- More deferred posts than this are not delivered one by one: the followers' timelines are dropped,
-- and the next read of each rebuilds it from the logs.
local RELEASE_MAX = 200

-- Lets an author go back to push: queues one job that delivers deferred posts in their order.
--   KEYS     pulled:{s}
--   ARGV     tag, author
--            options      a JSON object of
--              recipients   the author's followers; counts: on each shard, "12,0,3,..."
--              low, high    marks of the backlog; limit: what it may hold; all in deliveries
--   Returns  1; 0 when there is nothing to do or no headroom
--
-- The job takes as many of the oldest posts as fit under the high mark, and one at least when the
-- backlog is at the low mark or below (docs/decisions/023-releases-under-steady-traffic.md). An
-- author with more followers than the limit stays pulled for good.
register('release', function(_, args)
  local tag, author, options = args[1], args[2], cjson.decode(args[3])
  local recipients, high = options.recipients, options.high
  local state = pulled_author(tag, author)
  if not state or state.last ~= '0' then return 0 end
  local log = log_key(tag, author)
  local deferred = count_above(log, tonumber(state.since) - 1)
  if deferred == 0 then
    redis.call('HDEL', pulled_key(tag), author)
    return 1
  end
  -- Also without recipients: somebody may have followed since they were counted.
  local backlog = backlog_of(tag)
  local strategy, posts, at = 'drop', 1, 0
  if deferred <= RELEASE_MAX then
    local headroom = math.floor((high - backlog) / math.max(1, recipients))
    strategy, posts = 'release', math.min(deferred, math.max(1, headroom))
    at = deferred - posts
  end
  local deliveries = posts * recipients
  local after = backlog + deliveries
  if after > options.limit or after > high and backlog > options.low then return 0 end
  state.last = redis.call('LINDEX', log, at)
  state.next_since = at > 0 and redis.call('LINDEX', log, at - 1) or '0'
  set_pulled_author(tag, author, state)
  add_job(tag, new_id(tag), author, state.since, state.last, strategy, options.counts, deliveries)
  return 1
end)

-- Ends a release whose job is done: its posts were delivered, or their readers' timelines dropped.
-- The author is pushed again, unless posts were deferred meanwhile.
local function finish_release(tag, author, since, last, delivered, skipped)
  local log = log_key(tag, author)
  local from, to = count_above(log, tonumber(last)), count_above(log, tonumber(since) - 1)
  for _, post in ipairs(redis.call('LRANGE', log, from, to - 1)) do
    local key = record_key(tag, post)
    local record = redis.call('HMGET', key, 'status', 'accepted')
    if record[1] == 'pull' then
      redis.call('HSET', key, 'status', 'done', 'lag_ms', num(lag_since(record[2])),
        'delivered', num(delivered), 'skipped', num(skipped))
    end
  end
  local state = pulled_author(tag, author)
  if not state or state.last ~= last then return end
  if state.next_since == '0' then
    redis.call('HDEL', pulled_key(tag), author)
  else
    state.since, state.last, state.next_since = state.next_since, '0', '0'
    set_pulled_author(tag, author, state)
  end
end
