-- Fan-out jobs. The account `fanout:{s}:<job>` says all about a job:
--
--   job         its id: the post's id, or an id of its own for a release
--   author      whose followers are walked
--   since last  the posts to deliver: since == last for one post, the held posts for a release
--   strategy    of the post; `release` delivers all held posts, `drop` drops the timelines
--   counts      followers on each shard when the job was accepted, "12,0,3,..."
--   recipients  deliveries to make, booked of them walked, delivered, skipped
--   status      queued | running | done | pull | dead;  accepted (ms), lag_ms
--   entry       its place in the stream `jobs:{s}`, where it lies until it is done
--   fails reason  how often it failed, and why the last time
--   pull_reason   of a pulled post, also after its release: the `why` of 50_pulled_authors.lua
--   seen        followers walked when it was last claimed
--
-- `open:{s}` names the unfinished jobs, so that one whose stream entry got lost is found.
-- `heartbeats:{s}` counts each entry's heartbeats, and under <entry>! the claims since it last got on:
-- a job that ends its workers reports no failure, but it is claimed again and again.
-- `backlog:{s}` holds the deliveries accepted and not yet made, and whether the shard is holding.
--
-- Silence is judged by the watching worker's own monotonic clock and the beat counter, never by
-- the server's wall clock, which may jump (docs/decisions/003-claims-without-clocks.md).

local GROUP = 'workers'
local RECORD_TTL = 3600 -- seconds for which a finished job's account can be asked for
local MAX_FAILS = 5     -- then a job is a dead letter
local MAX_RECLAIMS = 5    -- without any progress: so is a job that ends its workers
local DEAD_CAP = 1000   -- dead letters kept on a shard

-- What an account says, field by field; nothing when its key is gone or holds something else. One
-- broken key must not fail the call, which speaks for many jobs. The stream's word for the job and
-- its entry comes last and counts: whatever the account says, the job can be named.
local function record_of(tag, job, entry)
  local record = redis.pcall('HGETALL', record_key(tag, job))
  if record.err or #record == 0 then return {} end
  local named = {'job', job, 'entry', entry}
  for i = 1, #named do record[#record + 1] = named[i] end
  return record
end

-- Holding begins in a publish and ends here, where the backlog falls to the low mark.
local function add_backlog(tag, deliveries)
  local key = backlog_key(tag)
  local now = redis.call('HINCRBY', key, 'deliveries', num(deliveries))
  if deliveries >= 0 then return end
  local deferring = redis.call('HMGET', key, 'deferring', 'low')
  if deferring[1] == '1' and now <= tonumber(deferring[2]) then redis.call('HSET', key, 'deferring', '0') end
end

-- Puts a job into the stream, under an id of its own: the account's `entry`.
local function enqueue(tag, entry, job)
  local stream = jobs_key(tag)
  if redis.call('EXISTS', stream) == 0 then
    redis.call('XGROUP', 'CREATE', stream, GROUP, '0', 'MKSTREAM')
  end
  redis.call('XADD', stream, entry .. '-0', 'job', job)
  redis.call('HSET', record_key(tag, job), 'entry', entry .. '-0', 'status', 'queued')
  -- Whoever is busy looks at the streams anyway; only sleepers need the bell.
  if redis.call('XLEN', stream) == 1 then redis.call('PUBLISH', WAKE_UP_CHANNEL, tag) end
end

local function add_job(tag, job, author, since, last, strategy, counts, recipients)
  redis.call('HSET', record_key(tag, job), 'job', job, 'author', author, 'since', since,
    'last', last, 'strategy', strategy, 'counts', counts, 'recipients', num(recipients),
    'accepted', num(now_ms()))
  redis.call('SADD', open_key(tag), job)
  add_backlog(tag, recipients)
  enqueue(tag, job, job)
end

-- Takes a job out of the stream. Returns false when somebody else has done so before.
local function dequeue(tag, stream, entry, job)
  if redis.call('XACK', stream, GROUP, entry) == 0 then return false end
  redis.call('XDEL', stream, entry)
  redis.call('HDEL', heartbeats_key(tag), entry, entry .. '!')
  redis.call('SREM', open_key(tag), job)
  return true
end

-- Puts a job aside. The letter has an id of its own: jobs do not die in the order of their ids.
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
    if whose[1] then release_anew(tag, whose[1], whose[2]) end
    redis.call('EXPIRE', lost, RECORD_TTL)
    redis.call('XDEL', dead, oldest[1])
  end
  redis.call('XADD', dead, num(new_id(tag)) .. '-0', 'job', job)
  return 1
end

-- Adds up to `count` new jobs of a shard to `accounts`, for a worker.
local function take(tag, worker, count, records)
  local stream = jobs_key(tag)
  if redis.call('EXISTS', stream) == 0 then return end
  local reply = redis.pcall('XREADGROUP', 'GROUP', GROUP, worker, 'COUNT', count,
    'STREAMS', stream, '>')
  if type(reply) == 'table' and reply.err then -- the group is gone: what was taken is taken anew
    redis.call('XGROUP', 'CREATE', stream, GROUP, '0')
    return
  end
  if not reply or not reply[1] then return end
  local entries = reply[1][2]
  if type(reply[1]) ~= 'table' then entries = reply[2] end -- RESP3's shape: fakeredis answers so
  for i = 1, #entries do
    local record = record_of(tag, entries[i][2][2], entries[i][1])
    if #record > 0 then records[#records + 1] = record end
  end
end

-- KEYS jobs  ARGV word worker count tag...
-- What a worker asks a server at each turn: {its life, pages read in it, the accounts of new jobs},
-- of these shards, which share the server. `count` is for each shard; 0: no new jobs.
register('ask', function(_, args)
  local records = {}
  if args[3] ~= '0' then
    for i = 4, #args do take(args[i], args[2], args[3], records) end
  end
  incarnation = incarnation or args[1]
  return {incarnation, pages_read, records}
end, {'allow-oom'})

-- KEYS jobs  ARGV tag count
-- All taken and unfinished jobs: {entry, worker, beat, claims without progress} each.
register('watch_jobs', function(keys, args)
  local rows = {}
  if redis.call('EXISTS', keys[1]) == 0 then return rows end
  local pending = redis.call('XPENDING', keys[1], GROUP, '-', '+', args[2])
  for i = 1, #pending do
    local entry = pending[i][1]
    local counts = redis.call('HMGET', heartbeats_key(args[1]), entry, entry .. '!')
    rows[i] = {entry, pending[i][2], counts[1] or '0', counts[2] or '0'}
  end
  return rows
end, {'no-writes'})

-- KEYS jobs  ARGV tag worker entry beat
-- Takes over a silent job, provided that it is still silent. Returns its account or {}. The claim
-- is counted before anybody reads the account: whatever a worker dies of comes after this.
register('reclaim_job', function(keys, args)
  local tag, worker, entry = args[1], args[2], args[3]
  if redis.call('EXISTS', keys[1]) == 0 then return {} end -- a new dataset has cleared it
  if (redis.call('HGET', heartbeats_key(tag), entry) or '0') ~= args[4] then return {} end
  local reclaimed = redis.call('XCLAIM', keys[1], GROUP, worker, 0, entry)
  if #reclaimed == 0 or not reclaimed[1] then return {} end
  local job = reclaimed[1][2][2]
  local record = record_of(tag, job, entry)
  if #record == 0 then -- nothing says any more what there was to do
    dequeue(tag, keys[1], entry, job)
    return {}
  end
  redis.call('HINCRBY', heartbeats_key(tag), entry, 1)
  if redis.call('HINCRBY', heartbeats_key(tag), entry .. '!', 1) > MAX_RECLAIMS then
    move_to_dead_letters(tag, keys[1], entry, job,
      'Reclaimed ' .. MAX_RECLAIMS .. ' times without progress: it seems to end its workers.')
    return {}
  end
  return record
end)

-- KEYS jobs  ARGV tag entry job walked
-- What a claimer found in the cursors. Having got on since the last claim clears the count.
register('note_progress', function(_, args)
  local tag, entry, job = args[1], args[2], args[3]
  local key = record_key(tag, job)
  if redis.call('SISMEMBER', open_key(tag), job) == 0 then return 0 end
  if tonumber(args[4]) <= tonumber(redis.call('HGET', key, 'seen') or '0') then return 0 end
  redis.call('HSET', key, 'seen', args[4])
  return redis.call('HDEL', heartbeats_key(tag), entry .. '!')
end, {'allow-oom'})

-- Books what was walked; the backlog falls by what is new in it. Safe to repeat and to run late.
local function book(tag, job, processed, delivered, skipped)
  local key = record_key(tag, job)
  local record = redis.call('HMGET', key, 'recipients', 'booked')
  if not record[1] then return false end
  local booked = tonumber(record[2] or '0')
  local now_booked = math.max(booked, math.min(processed, tonumber(record[1])))
  if now_booked > booked then add_backlog(tag, booked - now_booked) end
  redis.call('HSET', key, 'booked', num(now_booked), 'delivered', delivered, 'skipped', skipped)
  return now_booked > booked
end

-- KEYS jobs  ARGV tag entry job walked delivered skipped
-- The heartbeat of a job that goes on.
register('heartbeat', function(_, args)
  local tag, entry, job = args[1], args[2], args[3]
  if redis.call('SISMEMBER', open_key(tag), job) == 0 then return 0 end
  redis.call('HINCRBY', heartbeats_key(tag), entry, 1)
  if book(tag, job, tonumber(args[4]), args[5], args[6]) then
    redis.call('HDEL', heartbeats_key(tag), entry .. '!')
  end
  redis.call('HSET', record_key(tag, job), 'status', 'running')
  return 1
end, {'allow-oom'})

-- The posts of an author's log from `since` to `last`.
local function posts_between(tag, author, since, last)
  local log = log_key(tag, author)
  local length = redis.call('LLEN', log)
  local from, to = position(log, tonumber(last) + 1, length), position(log, tonumber(since), length)
  return redis.call('LRANGE', log, from, to - 1)
end

local function lag_since(accepted)
  return math.max(0, now_ms() - tonumber(accepted))
end

-- A release is done: so are the posts that it delivered, or whose readers it made rebuild.
local function finish_deferred(tag, author, since, last, delivered, skipped)
  local posts = posts_between(tag, author, since, last)
  for i = 1, #posts do
    local deferred = record_key(tag, posts[i])
    local record = redis.call('HMGET', deferred, 'status', 'accepted')
    if record[1] == 'pull' then
      redis.call('HSET', deferred, 'status', 'done', 'lag_ms', num(lag_since(record[2])),
        'delivered', num(delivered), 'skipped', num(skipped))
    end
  end
  released(tag, author, last)
end

-- KEYS jobs  ARGV tag entry job delivered skipped posts life
-- Acknowledges a job, last of all. Returns {1, lag in ms} to the first who says so, else {0, 0}.
-- `posts` is how many were delivered to each follower. A worker that speaks of another life of this
-- server gets {-1, 0}: what it saw delivered may have been undone by a restart.
register('finish_job', function(keys, args)
  local tag, entry, job = args[1], args[2], args[3]
  if incarnation ~= args[7] then return {-1, 0} end
  if not dequeue(tag, keys[1], entry, job) then return {0, 0} end
  local key = record_key(tag, job)
  local record = redis.call('HMGET', key, 'recipients', 'accepted', 'strategy', 'author', 'since',
    'last')
  if not record[1] then return {0, 0} end
  book(tag, job, tonumber(record[1]), args[4], args[5])
  local lag = lag_since(record[2])
  redis.call('HSET', key, 'status', 'done', 'lag_ms', num(lag))
  redis.call('EXPIRE', key, RECORD_TTL)
  if record[3] == 'release' or record[3] == 'drop' then
    local posts = tonumber(args[6])
    finish_deferred(tag, record[4], record[5], record[6], tonumber(args[4]) / posts,
      tonumber(args[5]) / posts)
  end
  return {1, lag}
end, {'allow-oom'})

-- KEYS jobs  ARGV tag entry job reason
-- Notes that a job failed. It stays taken and is tried again once it has been silent; after
-- MAX_FAILS it goes to `dead:{s}` and leaves the backlog. Returns 1 when it died.
register('fail_job', function(keys, args)
  local tag, entry, job = args[1], args[2], args[3]
  local key = record_key(tag, job)
  if redis.call('SISMEMBER', open_key(tag), job) == 0 then return 0 end
  redis.call('HSET', key, 'reason', args[4])
  if redis.call('HINCRBY', key, 'fails', 1) < MAX_FAILS then return 0 end
  return move_to_dead_letters(tag, keys[1], entry, job, args[4])
end, {'allow-oom'})

-- KEYS dead  ARGV tag before count
-- Dead letters, newest first: {letter, account} each. before: a letter's id, or '+'.
register('dead_letters', function(keys, args)
  local dead_letters = redis.call('XREVRANGE', keys[1], args[2], '-', 'COUNT', args[3])
  local rows = {}
  for i = 1, #dead_letters do
    rows[i] = {dead_letters[i][1], record_of(args[1], dead_letters[i][2][2], dead_letters[i][1])}
  end
  return rows
end, {'no-writes'})

-- KEYS dead  ARGV tag letter requeue limit
-- Takes a dead letter away; with requeue == 1 the job goes on where it stopped. Returns 1, 0 when
-- there is no such letter, or -1 when the backlog has no room for the job.
register('resolve_dead_letter', function(keys, args)
  local tag, dead_letter_id = args[1], args[2]
  local dead_letter = redis.call('XRANGE', keys[1], dead_letter_id, dead_letter_id)
  if #dead_letter == 0 then return 0 end
  local job = dead_letter[1][2][2]
  local key = record_key(tag, job)
  local record = redis.call('HMGET', key, 'recipients', 'booked', 'author', 'last')
  local remaining = (tonumber(record[1]) or 0) - (tonumber(record[2]) or 0)
  local backlog = tonumber(redis.call('HGET', backlog_key(tag), 'deliveries') or '0')
  if args[3] == '1' and backlog + remaining > tonumber(args[4]) then return -1 end
  redis.call('XDEL', keys[1], dead_letter_id)
  if redis.call('EXISTS', key) == 0 then return 1 end
  if args[3] == '1' then
    redis.call('HSET', key, 'fails', 0)
    redis.call('PERSIST', key)
    redis.call('SADD', open_key(tag), job)
    add_backlog(tag, remaining)
    enqueue(tag, num(new_id(tag)), job)
  else
    redis.call('EXPIRE', key, RECORD_TTL)
    if record[3] then release_anew(tag, record[3], record[4]) end
  end
  return 1
end, {'allow-oom'})

-- KEYS jobs  ARGV tag cursor count
-- Looks at about `count` unfinished jobs and queues anew those whose stream entry is gone. Returns
-- {next cursor, how many}; the cursor is 0 at the start and after the last.
register('sweep_jobs', function(keys, args)
  local tag = args[1]
  if redis.call('EXISTS', keys[1]) == 1 then -- the group may be gone: its readers would fail
    redis.pcall('XGROUP', 'CREATE', keys[1], GROUP, '0')
  end
  local page = redis.call('SSCAN', open_key(tag), args[2], 'COUNT', args[3])
  local jobs, found = page[2], 0
  for i = 1, #jobs do
    local entry = redis.call('HGET', record_key(tag, jobs[i]), 'entry')
    if not entry then
      redis.call('SREM', open_key(tag), jobs[i])
    elseif #redis.call('XRANGE', keys[1], entry, entry) == 0 then
      redis.call('HDEL', heartbeats_key(tag), entry, entry .. '!')
      enqueue(tag, num(new_id(tag)), jobs[i])
      found = found + 1
    end
  end
  return {page[1], found}
end)

-- KEYS jobs  ARGV tag live...
-- Removes the stream's readers that are no live worker and have nothing taken. Returns how many.
register('forget_workers', function(keys, args)
  if redis.call('EXISTS', keys[1]) == 0 then return 0 end
  local live, gone = {}, 0
  for i = 2, #args do live[args[i]] = true end
  local readers = redis.call('XINFO', 'CONSUMERS', keys[1], GROUP)
  for i = 1, #readers do
    local name, pending = readers[i][2], readers[i][4]
    if pending == 0 and not live[name] then
      redis.call('XGROUP', 'DELCONSUMER', keys[1], GROUP, name)
      gone = gone + 1
    end
  end
  return gone
end, {'allow-oom'})

-- KEYS backlog  ARGV tag
-- Sets the backlog to what the accounts of the unfinished jobs say. Returns {before, now}.
register('audit_backlog', function(keys, args)
  local tag, sum = args[1], 0
  local jobs = redis.call('SMEMBERS', open_key(tag))
  for i = 1, #jobs do
    local record = redis.call('HMGET', record_key(tag, jobs[i]), 'recipients', 'booked')
    sum = sum + (tonumber(record[1]) or 0) - (tonumber(record[2]) or 0)
  end
  local before = tonumber(redis.call('HGET', keys[1], 'deliveries') or '0')
  if before ~= sum then redis.call('HSET', keys[1], 'deliveries', num(sum)) end
  return {before, sum}
end, {'allow-oom'})
