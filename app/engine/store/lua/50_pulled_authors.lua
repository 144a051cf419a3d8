-- Authors whose posts are read by pull: `pulled:{s}`, author -> "since,until,next,why".
--
--   since  the first post that was held back
--   until  while a release is under way: the last post it delivers; otherwise 0
--   next   the first post held back after that release began; otherwise 0
--   why    read (the author chose it) | costs, threshold (what decided in hybrid) |
--          held (backpressure deferred a push) |
--          returning (the author went back to push; the held posts wait for their release)
--
-- Workers release `returning` authors, and `held` ones when the shard's backlog has drained.

local function pulled_author(tag, author)
  local value = redis.call('HGET', pulled_key(tag), author)
  if not value then return nil end
  local since, last, following, why = string.match(value, '^(%d+),(%d+),(%d+),(%a+)$')
  return {since = since, last = last, following = following, why = why}
end

local function set_pulled_author(tag, author, state)
  redis.call('HSET', pulled_key(tag), author,
    table.concat({state.since, state.last, state.following, state.why}, ','))
end

-- Registers a post that was held back.
local function defer(tag, author, id, why)
  local state = pulled_author(tag, author) or {since = id, last = '0', following = '0', why = why}
  state.why = why
  if state.last ~= '0' and state.following == '0' then state.following = id end
  set_pulled_author(tag, author, state)
end

-- A post was pushed: an author who is read by pull goes back to push.
local function return_to_push(tag, author)
  local state = pulled_author(tag, author)
  if state and state.why ~= 'returning' then
    state.why = 'returning'
    set_pulled_author(tag, author, state)
  end
end

-- A release has delivered everything up to `last`: the author returns to push, unless posts were
-- held back again meanwhile.
local function released(tag, author, last)
  local state = pulled_author(tag, author)
  if not state or state.last ~= last then return end
  if state.following == '0' then
    redis.call('HDEL', pulled_key(tag), author)
  else
    set_pulled_author(tag, author,
      {since = state.following, last = '0', following = '0', why = state.why})
  end
end

-- The release of everything up to `last` was given up: those posts are held as before.
local function release_anew(tag, author, last)
  local state = pulled_author(tag, author)
  if not state or state.last ~= last then return end
  state.last, state.following = '0', '0'
  set_pulled_author(tag, author, state)
end
