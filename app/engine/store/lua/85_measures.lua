-- What processes tell of themselves. Allowed when the store is out of memory: that is when it is
-- needed most, and the fields are few. Each is one call, so it is counted wholly or not at all.

local FLUSHED_TTL = 86400 -- seconds after which a process is taken for gone

-- KEYS metrics total  ARGV slice seconds flushed number name amount...
-- Adds to the totals and to one slice of time, which is kept for `seconds`. Each process numbers
-- what it sends and keeps the last number under `flushed`: a repetition counts nothing.
register('count', function(keys, args)
  if tonumber(args[4]) <= number_at(args[3]) then return end
  redis.call('SET', args[3], args[4], 'EX', FLUSHED_TTL)
  for i = 5, #args, 2 do
    redis.call('HINCRBY', keys[1], args[i], args[i + 1])
    redis.call('HINCRBY', args[1], args[i], args[i + 1])
  end
  redis.call('EXPIRE', args[1], args[2])
end, {'allow-oom'})

-- KEYS metrics active  ARGV seconds user...
register('seen', function(keys, args)
  for i = 2, #args do redis.call('PFADD', keys[1], args[i]) end
  redis.call('EXPIRE', keys[1], args[1])
end, {'allow-oom'})

-- KEYS workers or control  ARGV field value...
register('note', function(keys, args)
  return redis.call('HSET', keys[1], unpack(args))
end, {'allow-oom'})
