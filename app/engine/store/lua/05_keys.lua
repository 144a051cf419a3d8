-- Names of all keys that the server functions build.
-- Builds on: nothing.
--
-- `app/engine/store/keys.py` is their catalogue; `library.py` puts PREFIX and VERSION before this.

-- Names <prefix><family>:<tag>, one for each shard.
local function of_shard(family)
  return function(tag) return PREFIX .. family .. ':' .. tag end
end

-- Names <prefix><family>:<tag>:<member>; without a member the stem, for a loop over many.
local function of_member(family)
  local stem = PREFIX .. family .. ':'
  return function(tag, member) return stem .. tag .. ':' .. (member or '') end
end

local last_id_key, users_key, jobs_key = of_shard('last_id'), of_shard('users'), of_shard('jobs')
local watermark_key, heartbeats_key = of_shard('watermark'), of_shard('heartbeats')
local open_key, backlog_key = of_shard('open'), of_shard('backlog')
local pulled_key, dead_key = of_shard('pulled'), of_shard('dead')
local post_key, log_key, replay_key = of_member('post'), of_member('log'), of_member('repeat')
local following_key, followers_key = of_member('following'), of_member('followers')
local timeline_key, record_key = of_member('timeline'), of_member('job')
local cursor_key = of_member('cursor')

local WAKE_UP_CHANNEL = PREFIX .. 'wake-up'
