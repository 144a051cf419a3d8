"""Finds what differs from the truth and puts it right.

This is for what the engine cannot know of: a Cluster that lost writes in a failover, keys changed
by hand, dead letters that were discarded, or a bug of ours.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from ..feeds.rebuild import rebuild
from ..store.data import Data
from ..store.truth import Truth

USERS_AT_ONCE = 500
"""Users whose timelines are read in one round trip."""
LOOKS = 3
"""A timeline differs only if it does at so many looks: posts are delivered meanwhile."""
LOOK_SECONDS = 0.05
"""Between two looks."""


@dataclass(slots=True)
class Repaired:
    """What was looked at and put right. `backlogs`: shard -> (counted before, counted now) where
    the counter was wrong. `libraries`: left in the server by other versions of this code."""

    users: int = 0
    timelines: int = 0
    differed: list[int] = field(default_factory=list)
    jobs_queued: int = 0
    libraries: int = 0
    backlogs: dict[int, tuple[int, int]] = field(default_factory=dict)


def repair(data: Data, report: Callable[[int, int], None]) -> Repaired:
    """Queues lost jobs, corrects the backlog counters, rebuilds timelines that differ, and deletes
    the function libraries of other versions. Other processes may go on meanwhile. Needs the logs
    in memory. Calls `report` with (done, total) users. Raises `StoreDown`."""
    found = Repaired(jobs_queued=data.jobs.sweep(), libraries=data.store.drop_old_libraries())
    audits = enumerate(data.jobs.audit_backlogs())
    found.backlogs = {shard: counts for shard, counts in audits if counts[0] != counts[1]}
    truth = Truth(data.store)
    users = truth.users()
    for start in range(0, len(users), USERS_AT_ONCE):
        part = users[start : start + USERS_AT_ONCE]
        differing, timelines = _differing(data, truth, part)
        found.timelines += timelines
        for _ in range(LOOKS - 1):
            if differing:
                time.sleep(LOOK_SECONDS)
                differing, _ = _differing(data, Truth(data.store), differing)
        for user in differing:
            data.timelines.drop(user)
            rebuild(data, user)
        found.differed += differing
        found.users += len(part)
        report(found.users, len(users))
    return found


def _differing(data: Data, truth: Truth, users: Sequence[int]) -> tuple[list[int], int]:
    """Those whose timeline differs from the truth, and how many have a timeline at all."""
    pulled_since = {author.author_id: author.since for author in data.pulled_authors.all()}
    differing, timelines = [], 0
    for user, elements in zip(users, data.timelines.raw(users), strict=True):
        if elements is None:
            differing.append(user)
        elif elements and not elements[-1].startswith(b"-"):  # "-": a rebuild is under way
            timelines += 1
            if not _is_right(data, truth.feed(user), elements, pulled_since):
                differing.append(user)
    return differing, timelines


def _is_right(
    data: Data, feed: Sequence[int], elements: Sequence[bytes], pulled_since: dict[int, int]
) -> bool:
    try:
        ids = [int(element) for element in elements]
    except ValueError:
        return False  # somebody put something else there
    if any(upper <= lower for upper, lower in pairwise(ids)):
        return False
    last = ids[-1]  # 0: it claims to be complete to the very beginning
    expected, there = {post for post in feed if post >= last}, set(ids) - {0}
    for post in data.posts.get_many(list(expected - there)):
        pulled = post.id >= pulled_since.get(post.author_id, post.id + 1)
        (fanout,) = data.jobs.fanouts([post.id])
        on_its_way = fanout is not None and fanout.status in ("queued", "running")
        if not pulled and not on_its_way:
            return False
    # An id without a body is a deleted post; readers skip it.
    return not data.posts.get_many(list(there - expected))
