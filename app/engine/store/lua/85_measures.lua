-- Figures that processes report about themselves.
-- Builds on: 10_common.lua.
--
-- Allowed when the store is out of memory: they are needed most then, and have few fields.

local FLUSHED_TTL = 86400 -- seconds after which a process is taken for gone

-- Adds to the totals and to one slice of time.
--   KEYS     metrics total
--   ARGV     slice        key of the slice of time; seconds: for which it is kept
--            flushed      key of the last number that this process sent
--            number       of this call: a repetition counts nothing
--            name amount...
--   Returns  nothing
register('count', function(keys, args)
  if tonumber(args[4]) <= number_at(args[3]) then return end
  redis.call('SET', args[3], args[4], 'EX', FLUSHED_TTL)
  for i = 5, #args, 2 do
    redis.call('HINCRBY', keys[1], args[i], args[i + 1])
    redis.call('HINCRBY', args[1], args[i], args[i + 1])
  end
  redis.call('EXPIRE', args[1], args[2])
end, {'allow-oom'})

-- Counts users as active.
--   KEYS     metrics active
--   ARGV     seconds (for which the count is kept), user...
--   Returns  nothing
register('seen', function(keys, args)
  for i = 2, #args do redis.call('PFADD', keys[1], args[i]) end
  redis.call('EXPIRE', keys[1], args[1])
end, {'allow-oom'})

-- Sets fields of a worker's or the control record.
--   KEYS     workers or control
--   ARGV     field value...
--   Returns  how many fields were new
register('note', function(keys, args)
  return redis.call('HSET', keys[1], unpack(args))
end, {'allow-oom'})
