-- Posts and logs: `post:{s}:<id>` and `log:{s}:<author>`. The log is the source of truth.
-- Builds on: 05_keys.lua, 10_common.lua, 20_timeline.lua.

-- Reads a page of each author's log.
--   KEYS     log:{s}:<author> of any of them
--   ARGV     tag
--            before       ids below it; 0: from the newest
--            count        ids of each log at most
--            author...
--   Returns  a list of ids for each author, descending
register('log_pages', function(_, args)
  local tag, before, count = args[1], tonumber(args[2]), tonumber(args[3])
  local pages = {}
  for i = 4, #args do
    local key = log_key(tag, args[i])
    local start = before > 0 and position(key, before, redis.call('LLEN', key)) or 0
    pages[#pages + 1] = redis.call('LRANGE', key, start, start + count - 1)
  end
  return pages
end, {'no-writes'})

-- Reads the newest ids of several authors' logs together.
--   KEYS     log:{s}:<author> of any of them
--   ARGV     tag
--            before       ids below it; 0: from the newest
--            count        ids at most
--            author...
--   Returns  ids, ascending; fewer than `count`: there are no more
--
-- Most logs have nothing in a page. So each is asked for a few ids first, and for more only while
-- its last one could still belong to the answer.
register('latest_posts', function(_, args)
  note_page()
  local tag, before, count = args[1], tonumber(args[2]), tonumber(args[3])
  local step = math.ceil(count / (#args - 3)) + 1
  local found, logs, nexts, lasts = {}, {}, {}, {} -- the last three: of logs that go on
  local call, stem = redis.call, log_key(tag)
  local function fetch(key, start)
    local ids = call('LRANGE', key, start, start + step - 1)
    local size = #found
    for i = 1, #ids do found[size + i] = tonumber(ids[i]) end
    if #ids == step then
      size = #logs + 1
      logs[size], nexts[size], lasts[size] = key, start + step, found[#found]
    end
  end
  for i = 4, #args do
    local key = stem .. args[i]
    fetch(key, before > 0 and position(key, before, call('LLEN', key)) or 0)
  end
  while true do
    table.sort(found)
    local latest = {}
    for i = math.max(1, #found - count + 1), #found do latest[#latest + 1] = found[i] end
    local size, floor = #latest, #latest < count and 0 or latest[1]
    local open, starts, last = logs, nexts, lasts
    found, logs, nexts, lasts, step = latest, {}, {}, {}, 2 * step
    for i = 1, #open do
      if last[i] > floor then fetch(open[i], starts[i]) end
    end
    if #found == size then return found end
  end
end, {'no-writes'})

-- Deletes a post: its body and its log entry. Readers skip ids without a body.
--   KEYS     log:{s}:<author>
--   ARGV     tag, author, id
--   Returns  1; 0 when there was no such post
register('delete_post', function(keys, args)
  redis.call('LREM', keys[1], 1, args[3])
  return redis.call('DEL', post_key(args[1], args[3]))
end, {'allow-oom'})
