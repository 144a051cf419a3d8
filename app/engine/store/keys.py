"""The names of all keys and channels. `lua/05_keys.lua` gives the server functions the same names.

All names start with FANOUT_KEY_PREFIX; what does not is somebody else's, never read or changed.

`{s}` is the hash tag of an author's shard, `{t}` of a reader's. A user lives on shard
`user_id mod SHARDS`, so all that must change together sits in one Cluster slot.

    after the prefix           type     holds                                      bounded by
    post:{s}:<id>              string   the post's body, JSON                      text limit
    log:{s}:<author>           list     the author's post ids, newest first        FANOUT_LOG_CAP
    last_id:{s}                string   the latest id that the shard allocated     one number
    users:{t}                  bitmap   bit (user_id div SHARDS): the user exists  MAX_USER_ID
    following:{t}:<user>       set      authors whom the user follows              the graph
    followers:{t}:<author>     list     followers of the author on shard t         the graph
    timeline:{t}:<user>        list     post ids, newest first; 20_timeline.lua    the cap
    watermark:{t}              string   latest id in any timeline of the shard     one number
    jobs:{s}                   stream   unfinished fan-out jobs, group `workers`   the backlog
    open:{s}                   set      their ids                                  the backlog
    heartbeats:{s}             hash     stream entry -> heartbeats of its job      the backlog
    job:{s}:<job>              hash     the job record; see 60_jobs.lua            an hour after it
    cursor:{t}:<job>           hash     how far the job got on shard t             a day after it
    backlog:{s}                hash     deliveries accepted and not yet made       one number
    pulled:{s}                 hash     pulled authors; see 50_pulled_authors.lua  the authors
    dead:{s}                   stream   the dead-letter queue                      1,000 entries
    repeat:{s}:<author>:<key>  hash     answer to a post with an Idempotency-Key   a day
    metrics:*{m}               hashes   counters, latency buckets, active users,   fixed fields,
                                        last flush of each process                 a day
    shards{m}                  string   over how many shards the data is spread    one number
    workers{m} control{m}      hash     workers' heartbeats; pause and rate limit  live workers
    loader:{t}                 string   token of the one loader that may write     a day
    dataset{m}                 hash     which dataset is loaded, and how far       fixed fields
    directory{m}:<kind>        list     users to offer on the page                 100 ids
    limits:*                   hashes   requests by address, FANOUT_RATE_LIMIT     two periods
    wake-up                    channel  wake-up notifications for workers          nothing kept
"""

from collections.abc import Callable

from ..ids import shard_of_post

MAX_USER_ID = 2**27
"""User ids lie in [0, MAX_USER_ID): the bitmap of who exists stays under 16 MiB in all."""
META_TAG = "{m}"
"""The hash tag of what belongs to no shard."""


def tag(shard: int) -> str:
    """The hash tag of a shard, as it stands in every key of it."""
    return f"{{{shard}}}"


class Keys:
    """The names under one prefix, with the users spread over so many shards.

    Each attribute is a name, or a function that makes one of what the key belongs to: a user or a
    post, whose shard it finds itself, or a shard.
    """

    def __init__(self, prefix: str, shards: int) -> None:
        def of_shard(family: str) -> Callable[[int], str]:
            return lambda shard: f"{prefix}{family}:{{{shard}}}"

        def of_user(family: str) -> Callable[[int], str]:
            return lambda user: f"{prefix}{family}:{{{user % shards}}}:{user}"

        def of_post(family: str) -> Callable[[int], str]:
            return lambda post: f"{prefix}{family}:{{{shard_of_post(post)}}}:{post}"

        def of_meta(family: str) -> Callable[[int | str], str]:
            return lambda member: f"{prefix}{family}{META_TAG}:{member}"

        def on_shard(family: str) -> Callable[[int, int], str]:
            return lambda shard, member: f"{prefix}{family}:{{{shard}}}:{member}"

        self.prefix, self.shards = prefix, shards
        self.post, self.log = of_post("post"), of_user("log")
        self.last_id, self.users = of_shard("last_id"), of_shard("users")
        self.following, self.followers = of_user("following"), on_shard("followers")
        self.timeline, self.watermark = of_user("timeline"), of_shard("watermark")
        self.jobs, self.open = of_shard("jobs"), of_shard("open")
        self.heartbeats, self.backlog = of_shard("heartbeats"), of_shard("backlog")
        self.job, self.cursor = of_post("job"), on_shard("cursor")  # job ids are like posts' ids
        self.pulled, self.dead = of_shard("pulled"), of_shard("dead")

        self.metrics_slice = of_meta("metrics:slice")  # of a number, see counters.py
        self.metrics_flushed = of_meta("metrics:flushed")  # of a process
        self.active_users = of_meta("metrics:active")  # of a minute
        self.directory = of_meta("directory")  # of a kind of users

        self.dataset = f"{prefix}dataset{META_TAG}"
        self.shard_count = f"{prefix}shards{META_TAG}"
        self.control = f"{prefix}control{META_TAG}"
        self.workers = f"{prefix}workers{META_TAG}"
        self.metrics_total = f"{prefix}metrics:total{META_TAG}"
        self.limits = f"{prefix}limits"
        self.wake_up_channel = f"{prefix}wake-up"
        """Ends a worker's sleep. A hint only: a lost notification costs a short wait."""
        self.everything = f"{prefix}*"
        """The pattern of all our keys, for SCAN; a prefix has no characters of patterns in it."""
        lasting = self.shard_count, self.dataset, self.control, self.workers, self.limits
        self.lasting = (*lasting, f"{prefix}last_id:", f"{prefix}loader:")
        """Beginnings of the names that outlive a dataset. No id is ever given out twice, so
        `last_id` is among them; loading itself needs `dataset` and `loader`."""

    def timelines(self, shard: int) -> str:
        """What the names of all timelines of a shard begin with."""
        return f"{self.prefix}timeline:{{{shard}}}:"

    def tag(self, user: int) -> str:
        """The hash tag of the user's shard."""
        return tag(user % self.shards)

    def bit(self, user: int) -> tuple[str, int]:
        """Where it stands whether the user exists: the key of a bitmap, and the bit in it."""
        return self.users(user % self.shards), user // self.shards

    def loader(self, hash_tag: str) -> str:
        """Who may load data under a hash tag."""
        return f"{self.prefix}loader:{hash_tag}"
