-- Deliveries: one chunk of an author's followers on one shard.
-- Builds on: 05_keys.lua, 10_common.lua, 20_timeline.lua.
--
-- Followers are listed on the shard where they live, so one call reads the next chunk of them and
-- pushes into their timelines; no follower's id travels.

local CURSOR_TTL = 86400  -- seconds for which the cursor of a finished job is kept
local YOUNG_MS = 43200000 -- half of it: an older job without a cursor may be a finished one

-- Pushes on top without looking. Returns how many timelines took the id.
local function push_unconditionally(stem, followers, text_id, cap, slack)
  local reached, limit, call = 0, cap + slack, redis.call
  for i = #followers, 1, -1 do
    local key = stem .. followers[i]
    local length = call('LPUSHX', key, text_id)
    if length > 0 then reached = reached + 1 end
    if length > limit then trim(key, cap) end
  end
  return reached
end

-- The next chunk of followers, from the tail of their list to the head, and how many remain after
-- it. `remaining` is nil for a job that has no cursor yet.
local function next_followers(list, remaining, size)
  if not remaining then
    local followers = redis.call('LRANGE', list, -size - 1, -1)
    if #followers <= size then return followers, 0 end
    table.remove(followers, 1)
    return followers, redis.call('LLEN', list) - size
  end
  local from = math.max(0, remaining - size)
  return redis.call('LRANGE', list, from, remaining - 1), from
end

-- Delivers one chunk; `shard` has what all chunks of a call share. See `deliver`.
--
-- The cursor is read and moved here, so a retry, a second worker, or one that was reclaimed from
-- and wakes up, continues where the cursor is.
local function deliver_chunk(shard, chunk)
  local job, author, size, ids = unpack(chunk)
  local cap, slack, stem = shard.cap, shard.slack, shard.stem
  local cursor = cursor_key(shard.tag, job)
  local last = {}
  if not shard.without_cursor[job] then
    last = redis.call('HMGET', cursor, 'remaining', 'delivered', 'skipped')
  end
  shard.without_cursor[job] = nil
  local delivered, skipped = tonumber(last[2] or '0'), tonumber(last[3] or '0')
  if last[1] == '0' then return {0, delivered, skipped, 0, 0} end
  local fresh, list = not last[1], followers_key(shard.tag, author)
  local followers, remaining = next_followers(list, tonumber(last[1]), size)

  local id = tonumber(ids[1] or '0')
  -- Only a post's own job: a release may meet followers who got the post by that job.
  local unconditional = #ids == 1 and ids[1] == job and id >= shard.watermark
  if unconditional and fresh then
    unconditional = math.abs(shard.now_ms - EPOCH_MS - math.floor(id / 4096)) < YOUNG_MS
  end

  local reached = 0
  if #ids == 0 then
    -- No delivery, so none is counted.
    for i = 1, #followers do redis.call('DEL', stem .. followers[i]) end
  elseif unconditional then
    if #followers > 0 then shard.watermark = id end
    local fine, result = pcall(push_unconditionally, stem, followers, ids[1], cap, slack)
    if not fine then
      -- Part of the chunk is delivered and the cursor stays: the next try must use ordered inserts.
      shard.watermark = id + 1
      error(result, 0)
    end
    reached = result
  else
    -- One above: these posts' own jobs may still be under way and must use ordered inserts too.
    shard.watermark = math.max(shard.watermark, tonumber(ids[#ids]) + 1)
    for i = #followers, 1, -1 do
      local there = false
      for n = 1, #ids do
        there = insert(stem .. followers[i], tonumber(ids[n]), cap, slack)
        if not there then break end
      end
      if there then reached = reached + 1 end
    end
  end

  delivered, skipped = delivered + reached, skipped + #followers - reached
  redis.call('HSET', cursor, 'remaining', num(remaining), 'delivered', num(delivered),
    'skipped', num(skipped))
  if remaining == 0 then
    redis.call('EXPIRE', cursor, CURSOR_TTL)
  elseif fresh then
    redis.call('EXPIRE', cursor, 7 * CURSOR_TTL)
  end
  return {remaining, delivered, skipped, reached, #followers - reached}
end

-- Delivers the posts of several jobs to their next chunks of followers on one shard.
--   KEYS     watermark:{t}
--   ARGV     tag
--            cap, slack   ids that a timeline holds, and how many more before it is trimmed
--            chunks       a JSON list of [job, author, followers at most, [id...]], ids as texts:
--                         one post; several, oldest first: a release; none: drop the timelines
--   Returns  for each chunk {followers remaining, delivered, skipped so far, delivered, skipped by
--            this call}, in followers; or a text, why it failed
--
-- Most posts have a few followers on each shard: one call for all costs a fraction of one for each.
register('deliver', function(keys, args)
  local tag, watermark, answers = args[1], number_at(keys[1]), {}
  local shard = {tag = tag, cap = tonumber(args[2]), slack = tonumber(args[3]),
    stem = timeline_key(tag), watermark = watermark, now_ms = now_ms()}
  local chunks, cursors, jobs = cjson.decode(args[4]), {}, {}
  for i, chunk in ipairs(chunks) do cursors[i], jobs[chunk[1]] = cursor_key(tag, chunk[1]), true end
  -- Mostly none of the jobs has a cursor yet: one call tells it for all.
  shard.without_cursor = redis.call('EXISTS', unpack(cursors)) == 0 and jobs or {}
  for i, chunk in ipairs(chunks) do answers[i] = attempt(deliver_chunk, shard, chunk) end
  if shard.watermark > watermark then redis.call('SET', keys[1], num(shard.watermark)) end
  return answers
end)
