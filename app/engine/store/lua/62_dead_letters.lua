-- Failing jobs and the dead-letter queue `dead:{s}`, a stream.
-- Builds on: 05_keys.lua, 10_common.lua, 60_jobs.lua, 61_release.lua.

local MAX_FAILS = 5 -- then a job is dead-lettered
local DEAD_CAP = 1000 -- dead letters kept on a shard

-- Takes a job out of the queue and the backlog, and dead-letters it. The dead letter gets an id of
-- its own, since jobs do not fail for good in the order of their ids. A full queue loses its
-- oldest.
local function move_to_dead_letters(tag, stream, entry, job, reason)
  local key, dead = record_key(tag, job), dead_key(tag)
  local record = redis.call('HMGET', key, 'recipients', 'booked')
  if not dequeue(tag, stream, entry, job) then return 0 end
  add_backlog(tag, (tonumber(record[2]) or 0) - (tonumber(record[1]) or 0))
  redis.call('HSET', key, 'status', 'dead', 'reason', reason)
  if redis.call('XLEN', dead) >= DEAD_CAP then
    local oldest = redis.call('XRANGE', dead, '-', '+', 'COUNT', 1)[1]
    local lost = record_key(tag, oldest[2][2])
    local whose = redis.call('HMGET', lost, 'author', 'last')
    if whose[1] then cancel_release(tag, whose[1], whose[2]) end
    redis.call('EXPIRE', lost, RECORD_TTL)
    redis.call('XDEL', dead, oldest[1])
  end
  redis.call('XADD', dead, num(new_id(tag)) .. '-0', 'job', job)
  return 1
end

-- Notes that a job failed. It stays taken and is reclaimed after its lease time-out; after
-- MAX_FAILS failures it is dead-lettered.
--   KEYS     jobs:{s}
--   ARGV     tag, entry, job
--            reason       what the failure said
--   Returns  1 when it was dead-lettered, else 0
register('fail_job', function(keys, args)
  local tag, entry, job = args[1], args[2], args[3]
  local key = record_key(tag, job)
  if redis.call('SISMEMBER', open_key(tag), job) == 0 then return 0 end
  redis.call('HSET', key, 'reason', args[4])
  if redis.call('HINCRBY', key, 'fails', 1) < MAX_FAILS then return 0 end
  return move_to_dead_letters(tag, keys[1], entry, job, args[4])
end, {'allow-oom'})

-- Lists dead letters, newest first.
--   KEYS     dead:{s}
--   ARGV     tag
--            count        at most
--   Returns  {id, job record} of each
register('dead_letters', function(keys, args)
  local dead_letters = redis.call('XREVRANGE', keys[1], '+', '-', 'COUNT', args[2])
  local rows = {}
  for i = 1, #dead_letters do
    rows[i] = {dead_letters[i][1], record_of(args[1], dead_letters[i][2][2], dead_letters[i][1])}
  end
  return rows
end, {'no-writes'})

-- Requeues or discards a dead letter.
--   KEYS     dead:{s}
--   ARGV     tag
--            id           of the dead letter
--            requeue      1: the job goes on from its cursors; 0: it is discarded
--            limit        deliveries that the backlog may hold
--   Returns  1; 0 when there is no such dead letter; -1 when the backlog has no headroom for it
register('resolve_dead_letter', function(keys, args)
  local tag, dead_letter_id = args[1], args[2]
  local dead_letter = redis.call('XRANGE', keys[1], dead_letter_id, dead_letter_id)
  if #dead_letter == 0 then return 0 end
  local job = dead_letter[1][2][2]
  local key = record_key(tag, job)
  local record = redis.call('HMGET', key, 'recipients', 'booked', 'author', 'last')
  local remaining = (tonumber(record[1]) or 0) - (tonumber(record[2]) or 0)
  local requeue, limit = args[3] == '1', tonumber(args[4])
  if requeue and backlog_of(tag) + remaining > limit then return -1 end
  redis.call('XDEL', keys[1], dead_letter_id)
  if redis.call('EXISTS', key) == 0 then return 1 end
  if requeue then
    redis.call('HSET', key, 'fails', 0)
    redis.call('PERSIST', key)
    redis.call('SADD', open_key(tag), job)
    add_backlog(tag, remaining)
    enqueue(tag, num(new_id(tag)), job)
  else
    redis.call('EXPIRE', key, RECORD_TTL)
    if record[3] then cancel_release(tag, record[3], record[4]) end
  end
  return 1
end, {'allow-oom'})
