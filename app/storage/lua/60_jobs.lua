-- Fan-out jobs. A stream entry of `jobs:{s}` lives until its job is done; its fields never change:
--
--   job         the job's id: the post's id, or an id of its own for a release
--   author      whose followers are walked
--   since last  the posts to deliver: since == last for one post, the held posts for a release
--   strategy    of the post; `release` delivers all held posts, `drop` drops the timelines
--   counts      followers on each shard when the job was accepted, "12,0,3,..."
--
-- `fanout:{s}:<job>` is its account, `beats:{s}` counts each entry's heartbeats, `backlog:{s}`
-- holds the deliveries accepted and not yet made, and whether the shard is holding.
--
-- Silence is judged by the watching worker's own monotonic clock and the beat counter, never by
-- the server's wall clock, which may jump (docs/decisions/003-claims-without-clocks.md).

local GROUP = 'workers'
local RECORD_TTL = 3600 -- seconds for which a finished job's account can be asked for

local function add_job(tag, entry, job, author, since, last, strategy, counts, recipients)
  local stream = 'jobs:' .. tag
  if redis.call('EXISTS', stream) == 0 then
    redis.call('XGROUP', 'CREATE', stream, GROUP, '0', 'MKSTREAM')
  end
  redis.call('XADD', stream, entry .. '-0', 'job', job, 'author', author, 'since', since,
    'last', last, 'strategy', strategy, 'counts', counts)
  redis.call('HINCRBY', 'backlog:' .. tag, 'deliveries', num(recipients))
  -- Whoever is busy looks at the streams anyway; only sleepers need the bell.
  if redis.call('XLEN', stream) == 1 then redis.call('PUBLISH', 'doorbell', tag) end
end

local function field_map(fields)
  local map = {}
  for i = 1, #fields, 2 do map[fields[i]] = fields[i + 1] end
  return map
end

-- KEYS jobs  ARGV worker count
-- New jobs for a worker: {entry, fields} each.
register('take_jobs', function(keys, args)
  if redis.call('EXISTS', keys[1]) == 0 then return {} end
  local reply = redis.call('XREADGROUP', 'GROUP', GROUP, args[1], 'COUNT', args[2],
    'STREAMS', keys[1], '>')
  if not reply or not reply[1] then return {} end
  if type(reply[1]) ~= 'table' then return reply[2] end -- RESP3's shape, which fakeredis answers
  return reply[1][2]
end)

-- KEYS jobs  ARGV tag count
-- All taken and unfinished jobs: {entry, worker, beat} each.
register('watch_jobs', function(keys, args)
  local rows = {}
  if redis.call('EXISTS', keys[1]) == 0 then return rows end
  local pending = redis.call('XPENDING', keys[1], GROUP, '-', '+', args[2])
  for i = 1, #pending do
    local entry = pending[i][1]
    rows[i] = {entry, pending[i][2], redis.call('HGET', 'beats:' .. args[1], entry) or '0'}
  end
  return rows
end, {'no-writes'})

-- KEYS jobs  ARGV tag worker entry beat
-- Takes over a silent job, provided that it is still silent. Returns {tries, entry, fields} or {}.
register('claim_job', function(keys, args)
  local tag, worker, entry = args[1], args[2], args[3]
  if (redis.call('HGET', 'beats:' .. tag, entry) or '0') ~= args[4] then return {} end
  local pending = redis.call('XPENDING', keys[1], GROUP, entry, entry, 1)
  if #pending == 0 then return {} end
  local claimed = redis.call('XCLAIM', keys[1], GROUP, worker, 0, entry)
  redis.call('HINCRBY', 'beats:' .. tag, entry, 1)
  if #claimed == 0 or not claimed[1] then return {} end
  return {pending[1][4], entry, claimed[1][2]}
end)

-- Books what was walked; the backlog falls by what is new in it. Safe to repeat and to run late.
local function book(tag, job, walked, delivered, skipped)
  local key = 'fanout:' .. tag .. ':' .. job
  local account = redis.call('HMGET', key, 'recipients', 'booked')
  if not account[1] then return end
  local booked = tonumber(account[2] or '0')
  local now_booked = math.max(booked, math.min(walked, tonumber(account[1])))
  if now_booked > booked then
    redis.call('HINCRBY', 'backlog:' .. tag, 'deliveries', num(booked - now_booked))
  end
  redis.call('HSET', key, 'booked', num(now_booked), 'delivered', delivered, 'skipped', skipped)
end

-- KEYS jobs  ARGV tag entry job walked delivered skipped
-- The heartbeat of a job that goes on.
register('beat_job', function(keys, args)
  local tag, entry, job = args[1], args[2], args[3]
  if redis.call('EXISTS', 'fanout:' .. tag .. ':' .. job) == 0 then return 0 end
  redis.call('HINCRBY', 'beats:' .. tag, entry, 1)
  book(tag, job, tonumber(args[4]), args[5], args[6])
  redis.call('HSET', 'fanout:' .. tag .. ':' .. job, 'status', 'running')
  return 1
end, {'allow-oom'})

-- KEYS jobs  ARGV tag entry job author last delivered skipped released...
-- Acknowledges a job, last of all. Returns {1, lag in ms} to the first who says so, else {0, 0}.
-- `released` are the held posts that a release delivered.
register('finish_job', function(keys, args)
  local tag, entry, job = args[1], args[2], args[3]
  if redis.call('XACK', keys[1], GROUP, entry) == 0 then return {0, 0} end
  redis.call('XDEL', keys[1], entry)
  redis.call('HDEL', 'beats:' .. tag, entry)
  local key = 'fanout:' .. tag .. ':' .. job
  local account = redis.call('HMGET', key, 'recipients', 'accepted')
  if not account[1] then return {0, 0} end
  book(tag, job, tonumber(account[1]), args[6], args[7])
  local lag = math.max(0, now_ms() - tonumber(account[2]))
  redis.call('HSET', key, 'status', 'done', 'lag_ms', num(lag))
  redis.call('EXPIRE', key, RECORD_TTL)
  for i = 8, #args do
    local held = 'fanout:' .. tag .. ':' .. args[i]
    if redis.call('EXISTS', held) == 1 then redis.call('HSET', held, 'status', 'done') end
  end
  released(tag, args[4], args[5])
  return {1, lag}
end, {'allow-oom'})
