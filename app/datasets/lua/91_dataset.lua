-- The loaded dataset: `dataset{m}` says which is loaded, being loaded, or asked for.
-- Builds on: 10_common.lua.
--
--   status            loading | ready | failed; nothing loaded yet: no field
--   preset seed       what the status speaks of
--   loader heartbeat  the running loader's token, and when it last gave a heartbeat (ms)
--   wanted wanted_seed  a request that no worker has taken yet
--   tries             how many loaders began this load
--   generation        counts the loads
--
-- All functions declare this key.

local MAX_TRIES = 3

-- Whether a loader is at work and within its lease time-out.
local function loader_is_alive(key, lease_timeout_ms)
  if redis.call('HGET', key, 'status') ~= 'loading' then return false end
  -- Both ways: when the clock is set back, a dead loader must not look alive until it has passed.
  local age = now_ms() - tonumber(redis.call('HGET', key, 'heartbeat'))
  return math.abs(age) < tonumber(lease_timeout_ms)
end

-- Registers a new loader, and forgets what the last one said.
local function begin(key, token, preset, seed, tries)
  local now = num(now_ms())
  redis.call('HDEL', key, 'wanted', 'wanted_seed', 'error', 'users', 'edges', 'celebrity_from',
    'popular_from', 'seconds')
  redis.call('HINCRBY', key, 'generation', 1)
  redis.call('HSET', key, 'status', 'loading', 'preset', preset, 'seed', seed, 'loader', token,
    'started', now, 'heartbeat', now, 'percent', 0, 'tries', tries)
end

-- Leaves a request for the workers to load a dataset.
--   ARGV     lease_timeout_ms, preset, seed
--            only_new     1: only when no dataset is known at all
--   Returns  1; 0 when one is being loaded, waited for, or known
register('dataset_request', function(keys, args)
  local key = keys[1]
  if redis.call('HEXISTS', key, 'wanted') == 1 or loader_is_alive(key, args[1]) then return 0 end
  if args[4] == '1' and redis.call('HEXISTS', key, 'status') == 1 then return 0 end
  redis.call('HSET', key, 'wanted', args[2], 'wanted_seed', args[3])
  return 1
end)

-- Becomes the loader of the given dataset.
--   ARGV     lease_timeout_ms, token, preset, seed
--            repeatable   0: nobody else could finish this load, as with a graph from a file
--   Returns  1; 0 when another loader is alive
register('dataset_lease', function(keys, args)
  if loader_is_alive(keys[1], args[1]) then return 0 end
  begin(keys[1], args[2], args[3], args[4], args[5] == '1' and 1 or MAX_TRIES)
  return 1
end)

-- Becomes the loader of what was asked for, or of a preset whose loader died.
--   ARGV     lease_timeout_ms, token
--   Returns  {preset, seed}; {} when there is nothing to do
register('dataset_lease_work', function(keys, args)
  local key = keys[1]
  local status, preset, seed, tries, wanted, wanted_seed = unpack(
    redis.call('HMGET', key, 'status', 'preset', 'seed', 'tries', 'wanted', 'wanted_seed'))
  if wanted then
    preset, seed, tries = wanted, wanted_seed, 0
  elseif status ~= 'loading' or tonumber(tries) >= MAX_TRIES then
    return {}
  end
  if loader_is_alive(key, args[1]) then return {} end
  begin(key, args[2], preset, seed, tonumber(tries) + 1)
  return {preset, seed}
end)

-- Notes that the loader is alive, and how far it is.
--   ARGV     token, percent
--   Returns  1; 0 when the loader was replaced
register('dataset_heartbeat', function(keys, args)
  if redis.call('HGET', keys[1], 'loader') ~= args[1] then return 0 end
  redis.call('HSET', keys[1], 'heartbeat', num(now_ms()), 'percent', args[2])
  return 1
end)

-- Ends a load.
--   ARGV     token
--            field value...  what is known of the dataset now
--   Returns  1; 0 when the loader was replaced
register('dataset_finish', function(keys, args)
  local key = keys[1]
  if redis.call('HGET', key, 'loader') ~= args[1] then return 0 end
  local started = tonumber(redis.call('HGET', key, 'started'))
  redis.call('HSET', key, 'seconds', string.format('%.3f', (now_ms() - started) / 1000),
    unpack(args, 2))
  redis.call('HDEL', key, 'loader')
  return 1
end, {'allow-oom'})
