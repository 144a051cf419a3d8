-- What a fenced transaction leaves to do, see `app/engine/store/transactions.py`.
-- Builds on: 05_keys.lua, 10_common.lua, 20_timeline.lua.

-- Corrects the cursor's counts and trims timelines after a transaction.
--   KEYS     cursor:{t}:<job>
--   ARGV     tag
--            skipped      deliveries that the cursor counts as made and that found no timeline
--            cap, slack   ids that a timeline holds, and how many more before it is trimmed
--            user...      whose timelines to trim
register('after_push', function(keys, args)
  local cursor, tag, skipped = keys[1], args[1], args[2]
  local cap, slack = tonumber(args[3]), tonumber(args[4])
  if skipped ~= '0' and redis.call('EXISTS', cursor) == 1 then
    redis.call('HINCRBY', cursor, 'delivered', '-' .. skipped)
    redis.call('HINCRBY', cursor, 'skipped', skipped)
  end
  for i = 5, #args do
    local key = timeline_key(tag, args[i])
    if redis.call('LLEN', key) > cap + slack then trim(key, cap) end
  end
end, {'allow-oom'})
