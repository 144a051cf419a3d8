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
    if length > 0 then
      reached = reached + 1
      if length > limit then trim(key, cap) end
    end
  end
  return reached
end

-- Delivers a job's posts to the next chunk of followers, from the tail of the list to the head.
--   KEYS     followers:{t}:<author>
--   ARGV     tag, job, author
--            chunk        followers at most
--            cap, slack   ids that a timeline holds, and how many more before it is trimmed
--            id...        one post; several, oldest first: a release; none: drop the timelines,
--                         so that the next read rebuilds them
--   Returns  {followers remaining, delivered, skipped so far, delivered, skipped by this call}, in
--            followers
--
-- The cursor is read and moved here, so a retry, a second worker, or one that was reclaimed from
-- and wakes up, continues where the cursor is.
register('deliver', function(keys, args)
  local tag, job = args[1], args[2]
  local chunk, cap, slack = tonumber(args[4]), tonumber(args[5]), tonumber(args[6])
  local cursor = cursor_key(tag, job)
  local so_far = redis.call('HMGET', cursor, 'remaining', 'delivered', 'skipped')
  local fresh = not so_far[1]
  local remaining = tonumber(so_far[1] or redis.call('LLEN', keys[1]))
  local delivered, skipped = tonumber(so_far[2] or '0'), tonumber(so_far[3] or '0')
  if remaining == 0 and not fresh then return {0, delivered, skipped, 0, 0} end

  local from = math.max(0, remaining - chunk)
  local followers = {}
  if remaining > 0 then followers = redis.call('LRANGE', keys[1], from, remaining - 1) end
  local stem = timeline_key(tag)

  local watermark = number_at(watermark_key(tag))
  local id = tonumber(args[7] or '0')
  -- Only a post's own job: a release may meet followers who got the post by that job.
  local unconditional = #args == 7 and args[7] == job and id >= watermark
  if unconditional and fresh then
    local age = now_ms() - EPOCH_MS - math.floor(id / 4096)
    unconditional = age > -YOUNG_MS and age < YOUNG_MS
  end

  local reached = 0
  if #args == 6 then
    -- No delivery, so none is counted.
    for i = 1, #followers do redis.call('DEL', stem .. followers[i]) end
  elseif unconditional then
    if id > watermark and #followers > 0 then redis.call('SET', watermark_key(tag), args[7]) end
    local fine, result = pcall(push_unconditionally, stem, followers, args[7], cap, slack)
    if not fine then
      -- Part of the chunk is delivered and the cursor stays: the next try must use ordered inserts.
      raise_to(watermark_key(tag), id + 1)
      error(result, 0)
    end
    reached = result
  else
    -- One above: these posts' own jobs may still be under way and must use ordered inserts too.
    raise_to(watermark_key(tag), tonumber(args[#args]) + 1)
    for i = #followers, 1, -1 do
      local there = false
      for a = 7, #args do
        there = insert(stem .. followers[i], tonumber(args[a]), cap, slack)
        if not there then break end
      end
      if there then reached = reached + 1 end
    end
  end

  delivered, skipped = delivered + reached, skipped + #followers - reached
  redis.call('HSET', cursor, 'remaining', num(from), 'delivered', num(delivered),
    'skipped', num(skipped))
  if from == 0 then
    redis.call('EXPIRE', cursor, CURSOR_TTL)
  elseif fresh then
    redis.call('EXPIRE', cursor, 7 * CURSOR_TTL)
  end
  return {from, delivered, skipped, reached, #followers - reached}
end)
