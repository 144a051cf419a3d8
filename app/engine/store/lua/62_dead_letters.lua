-- Failing jobs and the dead-letter queue `dead:{s}`, a stream.
-- Builds on: 05_keys.lua, 10_common.lua, 50_pulled_authors.lua, 60_jobs.lua.

local MAX_FAILS = 5 -- then a job is dead-lettered
local DEAD_CAP = 1000 -- dead letters kept on a shard

-- Gives up a dead-lettered job: its record expires, and what it was to release stays deferred.
local function give_up(tag, key)
  redis.call('EXPIRE', key, RECORD_TTL)
  local record = redis.call('HMGET', key, 'author', 'last')
  local state = record[1] and pulled_author(tag, record[1])
  if not state or state.last ~= record[2] then return end
  state.last, state.next_since = '0', '0'
  set_pulled_author(tag, record[1], state)
end

-- Takes a job out of the queue and the backlog, and dead-letters it. The dead letter gets an id of
-- its own: jobs do not fail for good in the order of their ids. A full queue loses its oldest.
local function move_to_dead_letters(tag, entry, job, reason)
  local key, dead = record_key(tag, job), dead_key(tag)
  local remaining = unbooked(key)
  if not dequeue(tag, entry, job) then return 0 end
  if remaining ~= 0 then add_backlog(tag, -remaining) end
  redis.call('HSET', key, 'status', 'dead', 'reason', reason)
  if redis.call('XLEN', dead) >= DEAD_CAP then
    local oldest = redis.call('XRANGE', dead, '-', '+', 'COUNT', 1)[1]
    give_up(tag, record_key(tag, oldest[2][2]))
    redis.call('XDEL', dead, oldest[1])
  end
  redis.call('XADD', dead, new_id(tag) .. '-0', 'job', job)
  return 1
end

-- Notes that a job failed. It stays taken and is reclaimed after its lease time-out; after
-- MAX_FAILS failures it is dead-lettered.
--   KEYS     jobs:{s}
--   ARGV     tag, entry, job, reason (what the failure said)
--   Returns  1 when it was dead-lettered, else 0
register('fail_job', function(_, args)
  local tag, entry, job, reason = unpack(args)
  if redis.call('SISMEMBER', open_key(tag), job) == 0 then return 0 end
  local key = record_key(tag, job)
  redis.call('HSET', key, 'reason', reason)
  if redis.call('HINCRBY', key, 'fails', 1) < MAX_FAILS then return 0 end
  return move_to_dead_letters(tag, entry, job, reason)
end, {'allow-oom'})

-- Lists dead letters, newest first.
--   KEYS     dead:{s}
--   ARGV     tag, count (at most)
--   Returns  {id, job record} of each
register('dead_letters', function(keys, args)
  local rows = redis.call('XREVRANGE', keys[1], '+', '-', 'COUNT', args[2])
  for i, row in ipairs(rows) do rows[i] = {row[1], record_of(args[1], row[2][2], row[1])} end
  return rows
end, {'no-writes'})

-- Requeues or discards a dead letter.
--   KEYS     dead:{s}
--   ARGV     tag, id (of the dead letter)
--            requeue      1: the job goes on from its cursors; 0: it is discarded
--            limit        deliveries that the backlog may hold
--   Returns  1; 0 when there is no such dead letter; -1 when the backlog has no headroom for it
register('resolve_dead_letter', function(keys, args)
  local tag, id, requeue, limit = args[1], args[2], args[3] == '1', tonumber(args[4])
  local dead_letter = redis.call('XRANGE', keys[1], id, id)[1]
  if not dead_letter then return 0 end
  local job = dead_letter[2][2]
  local key = record_key(tag, job)
  local remaining = unbooked(key)
  if requeue and backlog_of(tag) + remaining > limit then return -1 end
  redis.call('XDEL', keys[1], id)
  if not requeue then
    give_up(tag, key)
  elseif redis.call('EXISTS', key) == 1 then
    redis.call('PERSIST', key)
    redis.call('SADD', open_key(tag), job)
    add_backlog(tag, remaining)
    enqueue(tag, new_id(tag), job, 'fails', 0)
  end
  return 1
end, {'allow-oom'})
