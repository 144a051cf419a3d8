-- Progress of fan-out jobs: heartbeats, and finishing.
-- Builds on: 05_keys.lua, 10_common.lua, 60_jobs.lua, 61_release.lua.

-- Notes the heartbeat of a job that goes on, and how far it is. The backlog falls by what is new in
-- it, so it is safe to repeat and to run late.
--   KEYS     jobs:{s}
--   ARGV     tag, entry, job, delivered, skipped
--   Returns  1; 0 when the job is finished already
register('heartbeat', function(_, args)
  local tag, entry, job, delivered, skipped = unpack(args)
  if redis.call('SISMEMBER', open_key(tag), job) == 0 then return 0 end
  redis.call('HINCRBY', heartbeats_key(tag), entry, 1)
  local key = record_key(tag, job)
  local record = redis.call('HMGET', key, 'recipients', 'booked')
  if not record[1] then return 1 end
  local booked, processed = tonumber(record[2] or '0'), tonumber(delivered) + tonumber(skipped)
  local now_booked = math.max(booked, math.min(processed, tonumber(record[1])))
  if now_booked > booked then
    add_backlog(tag, booked - now_booked)
    redis.call('HDEL', heartbeats_key(tag), entry .. '!')
  end
  redis.call('HSET', key, 'status', 'running', 'booked', num(now_booked),
    'delivered', delivered, 'skipped', skipped)
  return 1
end, {'allow-oom'})

-- Finishes one job; `shard` has its tag, and sums up what leaves the backlog. See `finish_jobs`.
local function finish(shard, entry, job, delivered, skipped, posts)
  local tag, key = shard.tag, record_key(shard.tag, job)
  if not dequeue(tag, entry, job) then return {0, 0} end
  local record = redis.call('HMGET', key, 'recipients', 'booked', 'accepted', 'strategy', 'author',
    'since', 'last')
  local recipients = tonumber(record[1])
  if not recipients then return {0, 0} end
  shard.finished = shard.finished + math.max(0, recipients - tonumber(record[2] or '0'))
  local lag = lag_since(record[3])
  redis.call('HSET', key, 'status', 'done', 'lag_ms', num(lag), 'booked', num(recipients),
    'delivered', num(delivered), 'skipped', num(skipped))
  redis.call('EXPIRE', key, RECORD_TTL)
  if record[4] == 'release' or record[4] == 'drop' then
    finish_release(tag, record[5], record[6], record[7], delivered / posts, skipped / posts)
  end
  return {1, lag}
end

-- Finishes jobs whose cursors have all arrived.
--   KEYS     jobs:{s}
--   ARGV     tag
--            incarnation  which the worker saw: a restart may have undone what it counted
--            jobs         a JSON list of [entry, job, delivered, skipped, posts of each follower]
--   Returns  for each job {1, lag in ms} to the first who says so; {0, 0} to others; {-1, 0} in
--            another incarnation of the server; or a text, why it failed
register('finish_jobs', function(_, args)
  local shard, jobs, answers = {tag = args[1], finished = 0}, cjson.decode(args[3]), {}
  for i = 1, #jobs do
    answers[i] = incarnation == args[2] and attempt(finish, shard, unpack(jobs[i])) or {-1, 0}
  end
  if shard.finished > 0 then add_backlog(shard.tag, -shard.finished) end
  return answers
end, {'allow-oom'})
