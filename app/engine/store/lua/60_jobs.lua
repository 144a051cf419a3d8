-- Fan-out jobs: the job record and the queue.
-- Builds on: 05_keys.lua, 10_common.lua.
--
-- The job record `job:{s}:<job>`, where <job> is the post's id, or a release's own, holds:
--   author      whose followers get the posts
--   since last  the posts to deliver: since == last for one post, the deferred posts for a release
--   strategy    of the post; `release` delivers deferred posts, `drop` drops the timelines
--   counts      followers on each shard when the job was accepted, "12,0,3,..."
--   recipients  deliveries to make; booked: how many of them left the backlog; delivered; skipped
--   status      queued | running | done | pull | dead;  accepted (ms), lag_ms
--   entry       its id in the stream `jobs:{s}`, where it lies until it is done
--   fails reason  how often it failed, and why the last time
--   pull_reason   of a pulled post, also after its release: the `why` of 50_pulled_authors.lua
--   seen        followers that its cursors had passed when it was last reclaimed
--
-- `open:{s}` has the ids of the unfinished jobs, to find one whose stream entry got lost.
-- `heartbeats:{s}` counts an entry's heartbeats, and under <entry>! its reclaims without progress;
-- `backlog:{s}` the deliveries accepted and not yet made, with whether the shard defers.

local GROUP = 'workers'
local RECORD_TTL = 3600 -- seconds for which a finished job's record is kept

-- The fields of a job record, then the job and its entry as the stream has them, so that the job
-- can be named whatever the record holds; nothing when the record is gone or is no hash.
local function record_of(tag, job, entry)
  local record = redis.pcall('HGETALL', record_key(tag, job))
  if record.err or #record == 0 then return {} end
  for _, value in ipairs({'job', job, 'entry', entry}) do record[#record + 1] = value end
  return record
end

-- The deliveries of a job that are still in the backlog. What cannot be read counts nothing.
local function unbooked(key)
  local record = redis.call('HMGET', key, 'recipients', 'booked')
  return (tonumber(record[1]) or 0) - (tonumber(record[2]) or 0)
end

local function backlog_of(tag)
  return tonumber(redis.call('HGET', backlog_key(tag), 'deliveries') or '0')
end

-- Changes the backlog. A publish begins deferring; it ends here, at the low mark.
local function add_backlog(tag, deliveries)
  local key = backlog_key(tag)
  local now = redis.call('HINCRBY', key, 'deliveries', num(deliveries))
  if deliveries >= 0 then return end
  local deferring = redis.call('HMGET', key, 'deferring', 'low')
  if deferring[1] == '1' and now <= tonumber(deferring[2]) then
    redis.call('HSET', key, 'deferring', '0')
  end
end

-- Puts a job into the stream under an entry, and writes that and further fields to its record.
local function enqueue(tag, entry, job, ...)
  local stream = jobs_key(tag)
  local length = redis.call('XLEN', stream)
  if length == 0 and redis.call('EXISTS', stream) == 0 then
    redis.call('XGROUP', 'CREATE', stream, GROUP, '0', 'MKSTREAM')
  end
  redis.call('XADD', stream, entry .. '-0', 'job', job)
  redis.call('HSET', record_key(tag, job), 'entry', entry .. '-0', 'status', 'queued', ...)
  -- Busy workers look at the streams anyway; only sleeping ones need the wake-up notification.
  if length == 0 then redis.call('PUBLISH', WAKE_UP_CHANNEL, tag) end
end

-- Queues a new job, and adds its deliveries to the backlog.
local function add_job(tag, job, author, since, last, strategy, counts, recipients)
  redis.call('SADD', open_key(tag), job)
  add_backlog(tag, recipients)
  enqueue(tag, job, job, 'author', author, 'since', since, 'last', last, 'strategy', strategy,
    'counts', counts, 'recipients', num(recipients), 'accepted', num(now_ms()))
end

-- Takes a job out of the stream. Returns false when somebody else has done so before.
local function dequeue(tag, entry, job)
  local stream = jobs_key(tag)
  if redis.call('XACK', stream, GROUP, entry) == 0 then return false end
  redis.call('XDEL', stream, entry)
  redis.call('HDEL', heartbeats_key(tag), entry, entry .. '!')
  redis.call('SREM', open_key(tag), job)
  return true
end

-- The lag in milliseconds of what was accepted at that time.
local function lag_since(accepted) return math.max(0, now_ms() - tonumber(accepted)) end

-- Adds the records of up to `count` new jobs of a shard to `records`, for a worker.
local function take(tag, worker, count, records)
  local stream = jobs_key(tag)
  if redis.call('EXISTS', stream) == 0 then return end
  local reply = redis.pcall('XREADGROUP', 'GROUP', GROUP, worker, 'COUNT', count,
    'STREAMS', stream, '>')
  if not reply then return end
  if reply.err then -- the group is gone: a new one begins at the first entry
    redis.call('XGROUP', 'CREATE', stream, GROUP, '0')
    return
  end
  for _, entry in ipairs(reply[1][2]) do
    local record = record_of(tag, entry[2][2], entry[1])
    if #record > 0 then records[#records + 1] = record end
  end
end

-- Asks a server for new jobs, once in each iteration of a worker.
--   KEYS     jobs:{s} of any of the shards
--   ARGV     word (names the incarnation if nothing did yet), worker
--            count (jobs of each shard at most; 0: none), tag... (shards that share this server)
--   Returns  {incarnation, pages read in it, records of the new jobs}
register('ask', function(_, args)
  local records = {}
  if args[3] ~= '0' then
    for i = 4, #args do take(args[i], args[2], args[3], records) end
  end
  incarnation = incarnation or args[1]
  return {incarnation, pages_read, records}
end, {'allow-oom'})
