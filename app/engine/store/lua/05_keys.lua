-- Every key that the scripts build is named here; `app/engine/store/keys.py` is the catalogue. PREFIX
-- and VERSION stand at the library's head, see `app/engine/store/library.py`.

-- Names <prefix><family>:<tag>, one for each shard.
local function of_shard(family)
  local stem = PREFIX .. family .. ':'
  return function(tag) return stem .. tag end
end

-- Names <prefix><family>:<tag>:<member>. Without a member: the stem for a loop over many.
local function of_member(family)
  local stem = PREFIX .. family .. ':'
  return function(tag, member) return stem .. tag .. ':' .. (member or '') end
end

local last_id_key, users_key, newest_key = of_shard('last_id'), of_shard('users'), of_shard('newest')
local jobs_key, open_key, beats_key = of_shard('jobs'), of_shard('open'), of_shard('beats')
local backlog_key, pullers_key, dead_key = of_shard('backlog'), of_shard('pullers'), of_shard('dead')

local post_key, log_key, replay_key = of_member('post'), of_member('log'), of_member('repeat')
local following_key, fans_key = of_member('following'), of_member('fans')
local timeline_key = of_member('timeline')
local account_key, cursor_key = of_member('fanout'), of_member('job')

local DOORBELL = PREFIX .. 'doorbell'
