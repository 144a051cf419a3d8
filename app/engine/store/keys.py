"""Every key and channel the product uses is named here, and nowhere else but in
`lua/05_keys.lua`, which gives the scripts the same names.

All names start with one prefix, FANOUT_KEY_PREFIX. What does not start with it belongs to somebody
else and is never read, changed, counted or deleted; several installations share a server by
different prefixes.

`{s}` is the hash tag of an author's shard, `{t}` of a reader's. A user lives on shard
`user_id mod SHARDS`, so all that must change together sits in one Cluster slot.

    after the prefix           type    holds                                       bounded by
    post:{s}:<id>              string  the post's body, JSON                       text limit
    log:{s}:<author>           list    the author's post ids, newest first         FANOUT_LOG_CAP
    last_id:{s}                string  the newest id the shard has given out       one number
    users:{t}                  bitmap  bit (user_id div SHARDS): the user exists   MAX_USER_ID
    following:{t}:<user>       set     followees                                   the graph
    followers:{t}:<author>          list    those followers who live on shard t         the graph
    timeline:{t}:<user>        list    post ids, newest first; 20_timeline.lua     the cap
    watermark:{t}                 string  newest id put into a timeline of the shard  one number
    jobs:{s}                   stream  fan-out jobs not yet finished               the backlog
    open:{s}                   set     their ids                                   the backlog
    heartbeats:{s}                  hash    stream entry -> heartbeats of its job       the backlog
    job:{s}:<job>              hash    a job's account; see 60_jobs.lua            hour after it
    cursor:{t}:<job>           hash    how far the job got on shard t              day after it
    backlog:{s}                hash    deliveries accepted and not yet made        one number
    pulled:{s}                hash    author -> held posts; see 50_pulled_authors.lua    authors
    dead:{s}                   stream  jobs that kept failing                      1,000 entries
    repeat:{s}:<author>:<key>  hash    answer to a post with an Idempotency-Key    a day
    metrics:*{m}               hashes  counters, latency buckets, active users,    fixed fields,
                                       what each process has sent last             a day
    workers{m} control{m}      hash    heartbeats; pause and pace                  live workers
    loader:{t}                 string  token of the one loader that may write      a day
    dataset{m}                 hash    which dataset is loaded, and how far        fixed fields
    directory{m}:<kind>        list    users to offer on the page                  100 ids
    limits:*                   hashes  FANOUT_RATE_LIMIT's counts, by address      two periods
    doorbell                   channel wakes sleeping workers                      nothing kept
"""

from __future__ import annotations

from ..ids import shard_of_post

MAX_USER_ID = 2**27
"""User ids lie in [0, MAX_USER_ID): the bitmap of who exists stays under 16 MiB in all."""

GROUP = "workers"
"""The consumer group in `jobs`."""

META_TAG = "{m}"
"""The hash tag of what belongs to no shard."""


def tag(shard: int) -> str:
    """The hash tag of a shard, as it stands in every key of it."""
    return f"{{{shard}}}"


class Keys:
    """The names under one prefix, with the users spread over so many shards.

    A method takes what the key belongs to and finds the shard itself; one that takes a shard names
    something that every shard has.
    """

    def __init__(self, prefix: str, shards: int) -> None:
        self.prefix = prefix
        self.shards = shards
        self.everything = f"{prefix}*"
        """The pattern of all keys of ours, as SCAN takes it: a prefix has no characters of
        patterns in it."""
        self.dataset = f"{prefix}dataset{META_TAG}"
        self.control = f"{prefix}control{META_TAG}"
        self.workers = f"{prefix}workers{META_TAG}"
        self.metrics_total = f"{prefix}metrics:total{META_TAG}"
        self.limits = f"{prefix}limits"
        self.wake_up_channel = f"{prefix}doorbell"
        """Wakes a sleeping worker. A hint only: a lost ring costs a short wait."""
        self.lasting = (
            self.dataset, self.control, self.workers, self.limits,
            f"{prefix}last_id:", f"{prefix}loader:",
        )  # fmt: skip
        """Beginnings of the names that outlive a dataset. No id is ever given out twice, so
        `last_id` is among them; loading itself needs `dataset` and `loader`."""

    def shard(self, user: int) -> int:
        """The shard a user lives on."""
        return user % self.shards

    def tag(self, user: int) -> str:
        """The hash tag of the user's shard."""
        return tag(user % self.shards)

    def bit(self, user: int) -> tuple[str, int]:
        """Where it stands whether the user exists: the key of a bitmap, and the bit in it."""
        return self.users(user % self.shards), user // self.shards

    def post(self, post_id: int) -> str:
        """The body of a post."""
        return f"{self.prefix}post:{{{shard_of_post(post_id)}}}:{post_id}"

    def log(self, author: int) -> str:
        """An author's post ids."""
        return f"{self.prefix}log:{{{author % self.shards}}}:{author}"

    def last_id(self, shard: int) -> str:
        """The newest id of a shard."""
        return f"{self.prefix}last_id:{{{shard}}}"

    def users(self, shard: int) -> str:
        """Who exists on a shard."""
        return f"{self.prefix}users:{{{shard}}}"

    def following(self, user: int) -> str:
        """Whom a user follows."""
        return f"{self.prefix}following:{{{user % self.shards}}}:{user}"

    def followers(self, shard: int, author: int) -> str:
        """The author's followers on a shard; `shard` is the followers', not the author's."""
        return f"{self.prefix}followers:{{{shard}}}:{author}"

    def timeline(self, user: int) -> str:
        """A user's materialised feed."""
        return f"{self.prefix}timeline:{{{user % self.shards}}}:{user}"

    def watermark(self, shard: int) -> str:
        """The newest id in any timeline of a shard."""
        return f"{self.prefix}watermark:{{{shard}}}"

    def jobs(self, shard: int) -> str:
        """A shard's unfinished jobs."""
        return f"{self.prefix}jobs:{{{shard}}}"

    def open(self, shard: int) -> str:
        """The ids of a shard's unfinished jobs."""
        return f"{self.prefix}open:{{{shard}}}"

    def heartbeats(self, shard: int) -> str:
        """The heartbeats of a shard's unfinished jobs."""
        return f"{self.prefix}heartbeats:{{{shard}}}"

    def job(self, job: int) -> str:
        """A job's account. Its id tells the shard, as a post's does."""
        return f"{self.prefix}job:{{{shard_of_post(job)}}}:{job}"

    def cursor(self, shard: int, job_id: int) -> str:
        """A job's cursor on a shard of its readers."""
        return f"{self.prefix}cursor:{{{shard}}}:{job_id}"

    def backlog(self, shard: int) -> str:
        """A shard's deliveries to come."""
        return f"{self.prefix}backlog:{{{shard}}}"

    def pulled(self, shard: int) -> str:
        """A shard's pull authors."""
        return f"{self.prefix}pulled:{{{shard}}}"

    def dead(self, shard: int) -> str:
        """A shard's dead letters."""
        return f"{self.prefix}dead:{{{shard}}}"

    def metrics_slice(self, number: int) -> str:
        """Counters of one slice of time, see `app.engine.store.counters`."""
        return f"{self.prefix}metrics:slice{META_TAG}:{number}"

    def metrics_flushed(self, process: str) -> str:
        """The number of the last counts that a process sent."""
        return f"{self.prefix}metrics:flushed{META_TAG}:{process}"

    def active_users(self, minute: int) -> str:
        """HyperLogLog of the users seen in one minute."""
        return f"{self.prefix}metrics:active{META_TAG}:{minute}"

    def loader(self, hash_tag: str) -> str:
        """Who may load data under a hash tag, see `lua/90_bulk.lua`."""
        return f"{self.prefix}loader:{hash_tag}"

    def directory(self, kind: str) -> str:
        """The users of a kind that are offered on the page."""
        return f"{self.prefix}directory{META_TAG}:{kind}"
