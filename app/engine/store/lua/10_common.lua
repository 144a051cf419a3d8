-- Helpers that all server functions share.
-- Builds on: 05_keys.lua.
--
-- The files of this folder are joined in the order of their names into one server library; see
-- `app/engine/store/library.py`.
--
-- KEYS: each function declares one key. It also touches keys that it builds from the same hash
-- tag, some of them (timelines) only known from what it reads. All share the declared key's slot,
-- so this is safe on a Cluster; `tests/` proves it on a real one. Where all shards share one server
-- two calls save round trips by touching several of them: the bodies of `timeline_page`, and `ask`.

local EPOCH_MS = 1767225600000

-- An id as text. Ids have 53 bits: tostring() would print them as 1e+15.
local function num(n)
  return string.format('%.0f', n)
end

-- The server's wall clock, in milliseconds.
local function now_ms()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

-- An error reply that begins with a code, by which the caller knows it.
local function fail(code, text)
  return redis.error_reply(code .. ' ' .. text)
end

local function number_at(key)
  return tonumber(redis.call('GET', key) or '0')
end

local function raise_to(key, value)
  if value > number_at(key) then
    redis.call('SET', key, num(value))
  end
end

-- Allocates the next id of a shard: max(last + 1, now). A clock that jumps back is harmless, and so
-- is one that stands before the epoch: an id below 1 would not tell its shard.
local function new_id(tag)
  local shard = tonumber(string.sub(tag, 2, -2))
  local last = number_at(last_id_key(tag))
  local id = math.max(1, now_ms() - EPOCH_MS) * 4096 + shard * 16
  if id <= last then
    if last % 16 < 15 then
      id = last + 1
    else -- the millisecond's 16 ids are used up: borrow the next millisecond
      id = (math.floor(last / 4096) + 1) * 4096 + shard * 16
    end
  end
  redis.call('SET', last_id_key(tag), num(id))
  return id
end

-- Registers a server function under a name that carries the library's version.
local function register(name, callback, flags)
  redis.register_function{
    function_name = 'fanout_' .. name .. '_' .. VERSION, callback = callback, flags = flags}
end

-- The server incarnation: the first word that a caller offered since this server process started.
-- It is kept in the script's memory only, so a restart forgets it. A server that restarted may have
-- lost its last writes, so whoever remembers more than it must look again. Callers must offer a new
-- word each time: with a constant one a lone worker would not see a restart.
local incarnation

-- Pages of feeds read in this incarnation: somebody waits for each of them.
local pages_read = 0

local function note_page()
  pages_read = pages_read + 1
end

-- Checks that the server takes writes; one that is out of memory refuses the call.
--   KEYS     any
--   Returns  1
register('writable', function()
  return 1
end)
