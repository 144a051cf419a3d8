-- Posts and logs: `post:{s}:<id>` and `log:{s}:<author>`. The log is the source of truth.
-- Builds on: 05_keys.lua, 10_common.lua, 20_timeline.lua.

-- Reads a page of each author's log.
--   KEYS     log:{s}:<author> of any of them
--   ARGV     tag, before (ids below it; 0: from the newest), count (of each log at most), author...
--   Returns  a list of ids for each author, descending
register('log_pages', function(_, args)
  local before, count, pages = tonumber(args[2]), tonumber(args[3]), {}
  for i = 4, #args do
    local key = log_key(args[1], args[i])
    local start = before > 0 and count_above(key, before - 1) or 0
    pages[#pages + 1] = redis.call('LRANGE', key, start, start + count - 1)
  end
  return pages
end, {'no-writes'})

-- Reads the newest ids of several authors' logs together.
--   KEYS     log:{s}:<author> of any of them
--   ARGV     tag, before (ids below it; 0: from the newest), count (at most), author...
--   Returns  ids, ascending; fewer than `count`: there are no more
--
-- Each log is asked for a few ids first, and for more only while its last one could still belong to
-- the answer (docs/decisions/011-logs-are-merged-on-their-shard.md).
register('latest_posts', function(_, args)
  pages_read = pages_read + 1
  local before, count, open, call = tonumber(args[2]), tonumber(args[3]), #args - 3, redis.call
  local logs, starts, lasts, stem = {}, {}, {}, log_key(args[1]) -- the first `open` of each go on
  for i = 1, open do
    logs[i], lasts[i] = stem .. args[i + 3], math.huge
    starts[i] = before > 0 and count_above(logs[i], before - 1) or 0
  end
  local latest, floor, step = {}, 0, math.ceil(count / open) + 1
  while true do
    local found, asked = latest, open
    local size = #found
    open, latest = 0, {}
    for i = 1, asked do
      if lasts[i] > floor then
        local ids = call('LRANGE', logs[i], starts[i], starts[i] + step - 1)
        for n = 1, #ids do found[#found + 1] = tonumber(ids[n]) end
        if #ids == step then
          open = open + 1
          logs[open], starts[open], lasts[open] = logs[i], starts[i] + step, found[#found]
        end
      end
    end
    if #found == size then return found end
    table.sort(found)
    for i = math.max(1, #found - count + 1), #found do latest[#latest + 1] = found[i] end
    floor, step = #latest < count and 0 or latest[1], 2 * step
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
