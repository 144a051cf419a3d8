"""Every key the product uses is built here, and nowhere else (the scripts build the same names).

`{s}` is the hash tag of an author's shard, `{t}` of a reader's. A user lives on shard
`user_id mod SHARDS`, so all that must change together sits in one Cluster slot.

    key                        type    holds                                       bounded by
    post:{s}:<id>              string  the post's body, JSON                       text limit
    log:{s}:<author>           list    the author's post ids, newest first         FANOUT_LOG_CAP
    last_id:{s}                string  the newest id the shard has given out       one number
    users:{t}                  bitmap  bit (user_id div SHARDS): the user exists   MAX_USER_ID
    following:{t}:<user>       set     followees                                   the graph
    fans:{t}:<author>          list    those followers who live on shard t         the graph
    timeline:{t}:<user>        list    post ids, newest first; 20_timeline.lua     the cap
    newest:{t}                 string  newest id put into a timeline of the shard  one number
    jobs:{s}                   stream  fan-out jobs not yet finished               the backlog
    open:{s}                   set     their ids                                   the backlog
    beats:{s}                  hash    stream entry -> heartbeats of its job       the backlog
    fanout:{s}:<job>           hash    a job's account; see 60_jobs.lua            hour after it
    job:{t}:<job>              hash    how far the job got on shard t              day after it
    backlog:{s}                hash    deliveries accepted and not yet made        one number
    pullers:{s}                hash    author -> held posts; see 50_pullers.lua    authors
    dead:{s}                   stream  jobs that kept failing                      1,000 entries
    repeat:{s}:<author>:<key>  hash    answer to a post with an Idempotency-Key    a day
    metrics:*{m}               hashes  counters, latency buckets, active users     fixed fields
    workers{m} control{m}      hash    heartbeats; pause and pace                  live workers
    loader:{t}                 string  token of the one loader that may write      a day
    dataset{m}                 hash    which dataset is loaded, and how far        fixed fields
    directory{m}:<kind>        list    users to offer on the page                  100 ids
"""

from __future__ import annotations

MAX_USER_ID = 2**27
"""User ids lie in [0, MAX_USER_ID): the bitmap of who exists stays under 16 MiB in all."""

GROUP = "workers"
DOORBELL = "doorbell"
"""Channel on which a sleeping worker is woken. A hint only: a lost ring costs a short wait."""

DATASET = "dataset{m}"
CONTROL = "control{m}"
WORKERS = "workers{m}"


def shard_of(user_id: int, shards: int) -> int:
    """The shard a user lives on."""
    return user_id % shards


def tag(shard: int) -> str:
    """The hash tag of a shard, as it stands in every key of it."""
    return f"{{{shard}}}"


def post(shard: int, post_id: int) -> str:
    """The body of a post."""
    return f"post:{{{shard}}}:{post_id}"


def log(shard: int, author: int) -> str:
    """An author's post ids."""
    return f"log:{{{shard}}}:{author}"


def last_id(shard: int) -> str:
    """The newest id of a shard."""
    return f"last_id:{{{shard}}}"


def users(shard: int) -> str:
    """Who exists on a shard."""
    return f"users:{{{shard}}}"


def following(shard: int, user: int) -> str:
    """Whom a user follows."""
    return f"following:{{{shard}}}:{user}"


def fans(shard: int, author: int) -> str:
    """The author's followers on a shard; `shard` is the followers', not the author's."""
    return f"fans:{{{shard}}}:{author}"


def timeline(shard: int, user: int) -> str:
    """A user's materialised feed."""
    return f"timeline:{{{shard}}}:{user}"


def newest(shard: int) -> str:
    """The newest id in any timeline of a shard."""
    return f"newest:{{{shard}}}"


def jobs(shard: int) -> str:
    """A shard's unfinished jobs."""
    return f"jobs:{{{shard}}}"


def fanout(shard: int, job: int) -> str:
    """A job's account."""
    return f"fanout:{{{shard}}}:{job}"


def job(shard: int, job_id: int) -> str:
    """A job's cursor on a shard."""
    return f"job:{{{shard}}}:{job_id}"


def backlog(shard: int) -> str:
    """A shard's deliveries to come."""
    return f"backlog:{{{shard}}}"


def pullers(shard: int) -> str:
    """A shard's pull authors."""
    return f"pullers:{{{shard}}}"


def dead(shard: int) -> str:
    """A shard's dead letters."""
    return f"dead:{{{shard}}}"


def metrics_total() -> str:
    """Counters since the dataset was loaded."""
    return "metrics:total{m}"


def metrics_slice(number: int) -> str:
    """Counters of one slice of time, see `app.storage.metrics`."""
    return f"metrics:slice{{m}}:{number}"


def active_users(minute: int) -> str:
    """HyperLogLog of the users seen in one minute."""
    return f"metrics:active{{m}}:{minute}"


def loader(tag: str) -> str:
    """Who may load data under a hash tag, see `lua/90_bulk.lua`."""
    return f"loader:{tag}"


def directory(kind: str) -> str:
    """The users of a kind that are offered on the page."""
    return f"directory{{m}}:{kind}"


FAMILIES = (
    "post:{*",
    "log:{*",
    "users:{*",
    "following:{*",
    "fans:{*",
    "timeline:{*",
    "newest:{*",
    "jobs:{*",
    "fanout:{*",
    "job:{*",
    "backlog:{*",
    "pullers:{*",
    "repeat:{*",
    "beats:{*",
    "open:{*",
    "dead:{*",
    "metrics:*{m}*",
    "directory{m}:*",
    "dataset{m}",
)
"""Patterns of all that a new dataset replaces. `last_id` stays: no id is ever given out twice."""
