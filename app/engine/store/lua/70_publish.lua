-- Accepting a post: body, log entry, job and job record are written together or not at all.
-- Builds on: 05_keys.lua, 10_common.lua, 20_timeline.lua, 50_pulled_authors.lua, 60_jobs.lua.

local REPEAT_TTL = 86400 -- seconds for which an Idempotency-Key is remembered

-- Accepts a post.
--   KEYS     log:{s}:<author>
--   ARGV     tag, author, body
--            options      a JSON object of
--              user_bit     where the author is found among the shard's users
--              mode, why    push, or pull and why: read | costs | threshold
--              strategy     of the post
--              recipients   the author's followers; counts: on each shard, "12,0,3,..."
--              large        whether the author's posts may be deferred
--              log_cap      ids that a log holds
--              cap, slack   ids that a timeline holds, and how many more before it is trimmed
--              low, high    marks of the backlog; limit: what it may hold; all in deliveries
--              repeat_key, fingerprint  with an Idempotency-Key: digests of it and of the body
--   Returns  {id, push | pull, why, recipients, 0}; for a repeat_key that was used before what was
--            returned then, and 1. Errors NOUSER, KEYREUSED, OVERLOADED
register('publish', function(keys, args)
  local tag, author, options = args[1], args[2], cjson.decode(args[4])
  local mode, why, recipients = options.mode, options.why, options.recipients
  local repeat_key = options.repeat_key and replay_key(tag, author .. ':' .. options.repeat_key)
  if repeat_key then
    local before = redis.call('HMGET', repeat_key, 'fingerprint', 'id', 'mode', 'why', 'recipients')
    if before[1] then
      if before[1] ~= options.fingerprint then return fail('KEYREUSED', before[2]) end
      return {before[2], before[3], before[4], tonumber(before[5]), 1}
    end
  end
  if redis.call('GETBIT', users_key(tag), options.user_bit) == 0 then
    return fail('NOUSER', author)
  end

  -- Backpressure counts deliveries, and is decided here so that the limit cannot be passed.
  if mode == 'push' and recipients > 0 then
    local pressure = redis.call('HMGET', backlog_key(tag), 'deliveries', 'deferring')
    local backlog, deferring = tonumber(pressure[1] or '0'), pressure[2] == '1'
    if backlog >= options.high and not deferring then
      deferring = true
      redis.call('HSET', backlog_key(tag), 'deferring', '1', 'low', num(options.low))
    end
    local full = backlog + recipients > options.limit
    if options.large and (deferring or full) then
      mode, why = 'pull', 'deferred'
    elseif full then
      return fail('OVERLOADED', num(backlog))
    end
  end

  local id = new_id(tag)
  redis.call('SET', post_key(tag, id), args[3])
  if redis.call('LPUSH', keys[1], id) > options.log_cap then
    redis.call('DEL', post_key(tag, redis.call('RPOP', keys[1])))
  end
  -- A broken timeline must not end the script here, half-way: the next read rebuilds it.
  local own = timeline_key(tag, author)
  if not pcall(insert, own, tonumber(id), options.cap, options.slack) then
    redis.call('DEL', own)
  end
  raise_to(watermark_key(tag), tonumber(id))

  -- Also without recipients: somebody may have followed since they were counted.
  if mode == 'push' then
    return_to_push(tag, author)
    add_job(tag, id, author, id, id, options.strategy, options.counts, recipients)
  else
    local record = record_key(tag, id)
    redis.call('HSET', record, 'recipients', num(recipients), 'accepted', num(now_ms()),
      'status', 'pull', 'pull_reason', why)
    redis.call('EXPIRE', record, RECORD_TTL)
    defer(tag, author, id, why)
  end
  if repeat_key then
    redis.call('HSET', repeat_key, 'fingerprint', options.fingerprint, 'id', id, 'mode', mode,
      'why', why, 'recipients', num(recipients))
    redis.call('EXPIRE', repeat_key, REPEAT_TTL)
  end
  return {id, mode, why, recipients, 0}
end)
