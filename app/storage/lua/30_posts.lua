-- Posts and logs: `post:{s}:<id>`, `log:{s}:<author>`. The log is the source of truth.

-- KEYS log  ARGV tag before count author...
-- For each author: up to `count` ids of the log below `before` (0: from the top).
register('log_pages', function(_, args)
  local tag, before, count = args[1], tonumber(args[2]), tonumber(args[3])
  local pages = {}
  for i = 4, #args do
    local key = 'log:' .. tag .. ':' .. args[i]
    local start = 0
    if before > 0 then start = place(key, before, redis.call('LLEN', key)) end
    pages[#pages + 1] = redis.call('LRANGE', key, start, start + count - 1)
  end
  return pages
end, {'no-writes'})

-- KEYS log  ARGV tag author id
-- Removes body and log entry; readers skip ids without a body. Returns 1 when the post was there.
register('delete_post', function(keys, args)
  redis.call('LREM', keys[1], 1, args[3])
  return redis.call('DEL', 'post:' .. args[1] .. ':' .. args[3])
end, {'allow-oom'})
