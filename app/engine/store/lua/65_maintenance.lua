-- Maintenance of the queue: lost entries, gone workers, and the sum of the backlog.
-- Builds on: 05_keys.lua, 10_common.lua, 60_jobs.lua.

-- Queues unfinished jobs again whose stream entry is gone.
--   KEYS     jobs:{s}
--   ARGV     tag, cursor (of the scan; 0 at the start), count (of jobs to look at, about)
--   Returns  {next cursor, how many were queued}; the cursor is 0 after the last job
register('sweep_jobs', function(keys, args)
  local tag, found = args[1], 0
  redis.pcall('XGROUP', 'CREATE', keys[1], GROUP, '0') -- it may be gone: its readers would fail
  local page = redis.call('SSCAN', open_key(tag), args[2], 'COUNT', args[3])
  for _, job in ipairs(page[2]) do
    local entry = redis.call('HGET', record_key(tag, job), 'entry')
    if not entry then
      redis.call('SREM', open_key(tag), job)
    elseif #redis.call('XRANGE', keys[1], entry, entry) == 0 then
      redis.call('HDEL', heartbeats_key(tag), entry, entry .. '!')
      enqueue(tag, new_id(tag), job)
      found = found + 1
    end
  end
  return {page[1], found}
end)

-- Removes the stream's consumers that are no live worker and have nothing taken.
--   KEYS     jobs:{s}
--   ARGV     tag, worker... (live ones)
--   Returns  how many were removed
register('forget_workers', function(keys, args)
  if redis.call('EXISTS', keys[1]) == 0 then return 0 end
  local live, gone = {}, 0
  for i = 2, #args do live[args[i]] = true end
  for _, reader in ipairs(redis.call('XINFO', 'CONSUMERS', keys[1], GROUP)) do
    local name, pending = reader[2], reader[4]
    if pending == 0 and not live[name] then
      redis.call('XGROUP', 'DELCONSUMER', keys[1], GROUP, name)
      gone = gone + 1
    end
  end
  return gone
end, {'allow-oom'})

-- Sets the backlog to the sum of what the unfinished jobs' records say.
--   KEYS     jobs:{s}
--   ARGV     tag
--   Returns  {before, now}
register('audit_backlog', function(_, args)
  local tag, sum = args[1], 0
  for _, job in ipairs(redis.call('SMEMBERS', open_key(tag))) do
    sum = sum + unbooked(record_key(tag, job))
  end
  local before = backlog_of(tag)
  if before ~= sum then redis.call('HSET', backlog_key(tag), 'deliveries', num(sum)) end
  return {before, sum}
end, {'allow-oom'})
