-- Data-local fan-out: the followers of an author are listed where they live, so one call reads
-- the next chunk of them and pushes into their timelines; no follower id travels.

local CURSOR_TTL = 86400       -- seconds a finished walk is remembered
local YOUNG_MS = 43200000      -- half of it: an older job without a cursor may be a finished one

-- Pushes without looking. Returns how many timelines took the id.
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

-- KEYS fans  ARGV tag job author chunk cap slack id...
-- One chunk of the walk over the author's fans on this shard, from the tail to the head. The
-- cursor is read here, so a retry, a second worker or a woken zombie continues where the walk is.
-- Several ids (oldest first): a release. No id: drop the timelines, the next read rebuilds them.
-- Returns {fans left, delivered, skipped so far, delivered, skipped by this call}, in followers.
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
      -- Some of the chunk is made and the cursor stays: the next try must look before it pushes.
      raise_to(watermark_key(tag), id + 1)
      error(result, 0)
    end
    reached = result
  else
    -- One above: these posts' own jobs may still be on their way and must look, too.
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
  redis.call('HSET', cursor, 'remaining', num(from), 'delivered', num(delivered), 'skipped', num(skipped))
  if from == 0 then
    redis.call('EXPIRE', cursor, CURSOR_TTL)
  elseif fresh then
    redis.call('EXPIRE', cursor, 7 * CURSOR_TTL)
  end
  return {from, delivered, skipped, reached, #followers - reached}
end)
