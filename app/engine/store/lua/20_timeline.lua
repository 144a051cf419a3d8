-- Timelines: `timeline:{t}:<user>`, lists of post ids, complete down to their last element.
-- Builds on: 05_keys.lua, 10_common.lua.
--
-- A timeline is strictly descending. Its last element may be something else than an id:
--   0          nothing older exists: the timeline is complete to the very beginning
--   -<token>   a rebuild is under way: not complete yet, posts that arrive are kept on top of it
-- A reader without the key is dormant: deliveries skip them, and the next read rebuilds it.
--
-- `watermark:{t}` bounds the ids in all timelines of the shard. An id that is not below it is newer
-- than every head and pushed unconditionally; any other takes an ordered insert, which is slower
-- (docs/decisions/002-unconditional-push.md).

local REBUILD_TIMEOUT_MS = 5000

-- Whether a timeline's last element is the marker of a rebuild.
local function is_marker(element) return string.sub(element, 1, 1) == '-' end

-- How many ids of a list are above `id`, which is the index of the first that is not. The search
-- gallops from the head, since late deliveries belong near it, then halves.
local function count_above(key, id)
  local length, low, high = redis.call('LLEN', key), 0, 1
  while high <= length and tonumber(redis.call('LINDEX', key, high - 1)) > id do
    low, high = high, 2 * high
  end
  high = math.min(high - 1, length)
  while low < high do
    local middle = math.floor((low + high) / 2)
    if tonumber(redis.call('LINDEX', key, middle)) > id then low = middle + 1 else high = middle end
  end
  return low
end

-- Cuts a list at `cap`. Without its marker a list would look complete: it is dropped instead.
local function trim(key, cap)
  if is_marker(redis.call('LINDEX', key, -1)) then
    redis.call('DEL', key)
  else
    redis.call('LTRIM', key, 0, cap - 1)
  end
end

-- Most late deliveries belong among the first elements: one look at these costs less than a search.
local NEAR_HEAD = 4

-- The ordered insert: puts `id` at its position. Returns whether the reader has a timeline at all.
local function insert(key, id, cap, slack)
  local near, at = redis.call('LRANGE', key, 0, NEAR_HEAD - 1), 1
  if #near == 0 then return false end
  while at <= #near and tonumber(near[at]) > id do at = at + 1 end
  local pivot = near[at] -- the first below `id`, which both special elements are, or `id` itself
  if not pivot then
    pivot = redis.call('LINDEX', key, count_above(key, id))
    if not pivot then return true end -- older than the last element: read from the logs
  end
  if tonumber(pivot) == id then return true end -- delivered before
  local length = at == 1 and redis.call('LPUSHX', key, num(id))
    or redis.call('LINSERT', key, 'BEFORE', pivot, num(id))
  if length > cap + slack then trim(key, cap) end
  return true
end

-- The stems of every shard's posts: building them anew for each id took half of a page's time.
local POST_STEMS = {}
for shard = 0, 255 do POST_STEMS[shard] = post_key('{' .. shard .. '}') end

-- The bodies of these posts on any shard of one server, one a line: JSON texts hold no line break,
-- and one long reply costs a third of many short ones. A line is empty where a post was deleted.
local function bodies_of(ids)
  local names = {}
  for i = 1, #ids do names[i] = POST_STEMS[math.floor(ids[i] % 4096 / 16)] .. ids[i] end
  local bodies = redis.call('MGET', unpack(names))
  for i = 1, #bodies do bodies[i] = bodies[i] or '' end
  return table.concat(bodies, '\n')
end

-- Reads a page of a timeline, and which of the given pulled authors the user follows.
--   KEYS     timeline:{t}:<user>
--   ARGV     tag, user, before (ids below it; 0: from the top), count (ids at most)
--            with_bodies  1: also the posts' bodies; 0 on a Cluster, where they lie elsewhere
--            author...    pulled authors; '*' as the first: all whom the user follows
--   Returns  {ids, at_end, ttl_ms, followed, bodies}, ids joined by commas, bodies by line breaks;
--            nil where no timeline is, or a rebuild is under way
register('timeline_page', function(keys, args)
  pages_read = pages_read + 1
  local key, following = keys[1], following_key(args[1], args[2])
  local before, count = tonumber(args[3]), tonumber(args[4])
  local tail = redis.call('LINDEX', key, -1)
  if not tail or is_marker(tail) then return end
  local followed = {}
  if args[6] == '*' then
    followed = redis.call('SMEMBERS', following)
  elseif args[6] then
    local flags = redis.call('SMISMEMBER', following, unpack(args, 6))
    for i = 1, #flags do
      if flags[i] == 1 then followed[#followed + 1] = args[5 + i] end
    end
  end
  local start = before > 0 and count_above(key, before - 1) or 0
  local ids = redis.call('LRANGE', key, start, start + count - 1)
  local at_end = ids[#ids] == '0' and 1 or 0
  if at_end == 1 then ids[#ids] = nil end
  local bodies = args[5] == '1' and #ids > 0 and bodies_of(ids) or ''
  return {table.concat(ids, ','), at_end, redis.call('PTTL', key), followed, bodies}
end, {'no-writes'})

-- Begins a rebuild: puts a marker where there is no timeline.
--   KEYS     timeline:{t}:<user>
--   ARGV     nonce (makes the marker unique)
--   Returns  the marker; '' when there is nothing to rebuild or somebody else rebuilds it
register('rebuild_begin', function(keys, args)
  local key, now = keys[1], now_ms()
  local tail = redis.call('LINDEX', key, -1)
  if tail then
    if not is_marker(tail) then return '' end
    local age = now - tonumber(string.match(tail, '^%-(%d+)'))
    if age >= 0 and age < REBUILD_TIMEOUT_MS then return '' end
    redis.call('DEL', key)
  end
  local marker = '-' .. num(now) .. '.' .. args[1]
  redis.call('RPUSH', key, marker)
  redis.call('PEXPIRE', key, 2 * REBUILD_TIMEOUT_MS)
  return marker
end)

-- Ends a rebuild: installs what was read from the logs, with what arrived since the marker was put.
--   KEYS     timeline:{t}:<user>
--   ARGV     tag, marker (what rebuild_begin returned), cap (ids that a timeline holds)
--            ttl          seconds until the timeline of a dormant reader expires
--            complete     1: nothing older exists; 0: `cap` ids were read
--            id...        what was read
--   Returns  1; 0 when the marker is gone, as after a follow: the reading is out of date
register('rebuild_install', function(keys, args)
  local key, tag, marker = keys[1], args[1], args[2]
  local cap, complete = tonumber(args[3]), args[5] == '1'
  if redis.call('LINDEX', key, -1) ~= marker then return 0 end
  local all, seen, texts = {}, {}, redis.call('LRANGE', key, 0, -2)
  for i = 6, #args do texts[#texts + 1] = args[i] end
  for i = 1, #texts do
    local id = tonumber(texts[i])
    if not seen[id] then all[#all + 1] = id end
    seen[id] = true
  end
  table.sort(all, function(a, b) return a > b end)
  redis.call('DEL', key)
  local last = math.min(#all, cap) -- also cuts what arrived below the lowest of `cap` ids read
  texts = {}
  for i = 1, last do texts[i] = num(all[i]) end
  if complete and last == #all then texts[last + 1] = '0' end
  for i = 1, #texts, 1000 do -- Lua hands over a few thousand at once
    redis.call('RPUSH', key, unpack(texts, i, math.min(i + 999, #texts)))
  end
  redis.call('EXPIRE', key, args[4])
  -- One above: a job of the very same id may still be about to push into this timeline.
  if last > 0 then raise_to(watermark_key(tag), all[1] + 1) end
  return 1
end)

-- Trims timelines that are too long, and drops what is no list: what a fenced transaction leaves.
--   KEYS     any key of the shard
--   ARGV     tag
--            cap, slack   ids that a timeline holds, and how many more before it is trimmed
--            user...
--   Returns  1
register('tidy_timelines', function(_, args)
  local cap, slack = tonumber(args[2]), tonumber(args[3])
  for i = 4, #args do
    local key = timeline_key(args[1], args[i])
    local length = redis.pcall('LLEN', key)
    if type(length) ~= 'number' then
      redis.call('DEL', key)
    elseif length > cap + slack then
      trim(key, cap)
    end
  end
  return 1
end, {'allow-oom'})
