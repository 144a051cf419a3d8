#!lua name=bench
-- Functions of the bench: they lay out its data and check what was delivered.

-- KEYS template  ARGV prefix width ttl templates first last step
-- Copies a template list to <prefix><user> for the users first, first + step, ... last. Templates
-- are taken one after the other: <key>:0, <key>:1, ...
redis.register_function('bench_copies', function(keys, args)
  local prefix, width, ttl, templates = args[1], args[2], tonumber(args[3]), tonumber(args[4])
  local measured = 0
  for user = tonumber(args[5]), tonumber(args[6]), tonumber(args[7]) do
    local key = prefix .. string.format('%0' .. width .. 'd', user)
    redis.call('COPY', keys[1] .. ':' .. (measured % templates), key, 'REPLACE')
    if ttl > 0 then redis.call('EXPIRE', key, ttl) end
    measured = measured + 1
  end
  return measured
end)

-- KEYS followers  ARGV prefix id
-- Of the users in the list, how many have exactly one `id` in their timeline, and on top.
redis.register_function('bench_heads', function(keys, args)
  local found = 0
  for _, user in ipairs(redis.call('LRANGE', keys[1], 0, -1)) do
    local top = redis.call('LRANGE', args[1] .. user, 0, 1)
    if top[1] == args[2] and top[2] ~= args[2] then found = found + 1 end
  end
  return found
end)
