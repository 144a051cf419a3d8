-- Reclaiming jobs whose worker gives no heartbeat.
-- Builds on: 05_keys.lua, 10_common.lua, 60_jobs.lua, 62_dead_letters.lua.
--
-- Workers judge the lease time-out by their own monotonic clocks and the count of heartbeats, never
-- by the server's clock, which may jump (docs/decisions/003-reclaiming-without-clocks.md).

local MAX_RECLAIMS = 5 -- without progress; then a job is dead-lettered: it seems to end its workers

-- Lists jobs that were taken and not finished.
--   KEYS     jobs:{s}
--   ARGV     tag, count (at most)
--   Returns  {entry, worker, heartbeats, reclaims without progress} of each
register('watch_jobs', function(keys, args)
  if redis.call('EXISTS', keys[1]) == 0 then return {} end
  local rows = redis.call('XPENDING', keys[1], GROUP, '-', '+', args[2])
  for i, row in ipairs(rows) do
    local counts = redis.call('HMGET', heartbeats_key(args[1]), row[1], row[1] .. '!')
    rows[i] = {row[1], row[2], counts[1] or '0', counts[2] or '0'}
  end
  return rows
end, {'no-writes'})

-- Takes over a job, provided that no heartbeat came since it was watched.
--   KEYS     jobs:{s}
--   ARGV     tag, entry, worker (who takes it over), heartbeats (which the worker saw last)
--   Returns  the job record; {} when there is nothing to take over
register('reclaim_job', function(keys, args)
  local tag, entry, worker = args[1], args[2], args[3]
  if redis.call('EXISTS', keys[1]) == 0 then return {} end -- a new dataset has cleared it
  if (redis.call('HGET', heartbeats_key(tag), entry) or '0') ~= args[4] then return {} end
  local reclaimed = redis.call('XCLAIM', keys[1], GROUP, worker, 0, entry)
  if not reclaimed[1] then return {} end
  local job = reclaimed[1][2][2]
  local record = record_of(tag, job, entry)
  if #record == 0 then -- nothing says any more what was to be delivered
    dequeue(tag, entry, job)
    return {}
  end
  -- Counted before the worker reads the record, which may be what makes workers crash.
  redis.call('HINCRBY', heartbeats_key(tag), entry, 1)
  if redis.call('HINCRBY', heartbeats_key(tag), entry .. '!', 1) > MAX_RECLAIMS then
    move_to_dead_letters(tag, entry, job,
      'Reclaimed ' .. MAX_RECLAIMS .. ' times without progress: it seems to end its workers.')
    return {}
  end
  return record
end)

-- Clears the count of reclaims when the job's cursors have moved since the last one.
--   KEYS     jobs:{s}
--   ARGV     tag, entry, job, processed (deliveries made or skipped, by the cursors)
--   Returns  1 when there was a count to clear, else 0
register('note_progress', function(_, args)
  local tag, entry, job = args[1], args[2], args[3]
  if redis.call('SISMEMBER', open_key(tag), job) == 0 then return 0 end
  local key = record_key(tag, job)
  if tonumber(args[4]) <= tonumber(redis.call('HGET', key, 'seen') or '0') then return 0 end
  redis.call('HSET', key, 'seen', args[4])
  return redis.call('HDEL', heartbeats_key(tag), entry .. '!')
end, {'allow-oom'})
