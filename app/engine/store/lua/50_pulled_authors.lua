-- Pulled authors, whose posts are read by pull: `pulled:{s}`, author -> "since,last,next_since,why".
-- Builds on: 05_keys.lua.
--
--   since      the first deferred post
--   last       while a release is under way: the last post it delivers; otherwise 0
--   next_since the first post deferred after that release began; otherwise 0
--   why        read (the author chose it) | costs, threshold (what decided in hybrid) |
--              deferred (by backpressure, until the shard's backlog has drained) |
--              returning (the author went back to push; the deferred posts wait for their release)

-- What is kept of a pulled author, as named fields; nil for an author who is pushed.
local function pulled_author(tag, author)
  local value = redis.call('HGET', pulled_key(tag), author)
  if not value then return end
  local since, last, next_since, why = string.match(value, '^(%d+),(%d+),(%d+),(%a+)$')
  return {since = since, last = last, next_since = next_since, why = why}
end

local function set_pulled_author(tag, author, state)
  redis.call('HSET', pulled_key(tag), author,
    table.concat({state.since, state.last, state.next_since, state.why}, ','))
end

-- Registers a deferred post of an author.
local function defer(tag, author, id, why)
  local state = pulled_author(tag, author) or {since = id, last = '0', next_since = '0', why = why}
  state.why = why
  if state.last ~= '0' and state.next_since == '0' then state.next_since = id end
  set_pulled_author(tag, author, state)
end

-- Notes that a post was pushed: a pulled author goes back to push.
local function return_to_push(tag, author)
  local state = pulled_author(tag, author)
  if not state or state.why == 'returning' then return end
  state.why = 'returning'
  set_pulled_author(tag, author, state)
end
