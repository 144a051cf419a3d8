-- What a fenced transaction leaves to do, see `app/engine/store/transactions.py`.
-- Builds on: 05_keys.lua, 10_common.lua, 20_timeline.lua.

-- Trims timelines that are too long, and drops what is no list: the next read rebuilds it.
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
