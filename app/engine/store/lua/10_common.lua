-- Helpers that all server functions share.
-- Builds on: 05_keys.lua.
--
-- KEYS: each function declares one key, and may touch others of the same hash tag. They share its
-- slot, so this is safe on a Cluster; the tests prove it on a real one. Only `ask` and
-- `timeline_page` (for the bodies) touch other tags, where all shards share one server.

local EPOCH_MS = 1767225600000

-- An id as text. Ids have 53 bits: tostring() would print them as 1e+15.
local function num(n) return string.format('%.0f', n) end

-- The server's wall clock, in milliseconds.
local function now_ms()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

-- An error reply that begins with a code, by which the caller knows it.
local function fail(code, text) return redis.error_reply(code .. ' ' .. text) end

-- What a function returns for one of many jobs, or why it failed as a text: one broken key must not
-- fail a call that speaks for all of them.
local function attempt(callback, ...)
  local fine, answer = pcall(callback, ...)
  if fine then return answer end
  return tostring(type(answer) == 'table' and answer.err or answer)
end

local function number_at(key) return tonumber(redis.call('GET', key) or '0') end

local function raise_to(key, value)
  if value > number_at(key) then redis.call('SET', key, num(value)) end
end

-- The next id of a shard, as text: max(last + 1, now), so a clock that jumps back is harmless.
-- Before the epoch now counts as 1 ms: an id below zero would not tell its shard.
local function new_id(tag)
  local shard, last = tonumber(string.sub(tag, 2, -2)), number_at(last_id_key(tag))
  local id = math.max(1, now_ms() - EPOCH_MS) * 4096 + shard * 16
  if id <= last then
    id = last + 1
    if id % 16 == 0 then id = id + 4096 - 16 end -- used up: borrow the next millisecond
  end
  redis.call('SET', last_id_key(tag), num(id))
  return num(id)
end

-- Registers a server function under a name that carries the library's version.
local function register(name, callback, flags)
  name = 'fanout_' .. name .. '_' .. VERSION
  redis.register_function{function_name = name, callback = callback, flags = flags}
end

-- The server incarnation: the first word that a caller offered since this server process started.
-- A restart may undo the last writes. Callers' words are always new, or nobody would see it.
local incarnation

-- Pages of feeds read in this incarnation: somebody waits for each of them.
local pages_read = 0

-- Checks that the server takes writes; one that is out of memory refuses the call.
--   KEYS     any
--   Returns  1
register('writable', function() return 1 end)
