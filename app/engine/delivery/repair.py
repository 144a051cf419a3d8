"""Finds what differs from the truth and puts it right.

The engine keeps timelines right by itself. This is for what it cannot know of: a Cluster that lost
writes in a failover, keys changed by hand, dead letters that were dropped, or a bug of ours.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from ..engine import Engine
from ..feeds.rebuild import rebuild
from ..store.failures import Refused
from .truth import Truth

AT_ONCE = 500
"""Users whose timelines are read in one round trip."""
LOOKS = 3
"""A timeline differs only if it does at so many looks: posts are delivered while we read."""
LOOK_SECONDS = 0.05

Report = Callable[[int, int], None]
"""Called with (done, total) users."""


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


def repair(engine: Engine, report: Report) -> Repaired:
    """Queues lost jobs, corrects the backlog counters, rebuilds timelines that differ, and deletes
    the function libraries of other versions.

    May run beside web processes and workers. Needs the logs in memory. Raises `StoreDown`.
    """
    found = Repaired(jobs_queued=engine.jobs.sweep(), libraries=engine.store.drop_old_libraries())
    audits = engine.jobs.audit_backlogs()
    found.backlogs = {shard: pair for shard, pair in enumerate(audits) if pair[0] != pair[1]}
    truth = Truth(engine.store)
    users = truth.users()
    for start in range(0, len(users), AT_ONCE):
        part = users[start : start + AT_ONCE]
        suspects, timelines = _differing(engine, truth, part)
        found.timelines += timelines
        for _ in range(LOOKS - 1):
            if suspects:
                time.sleep(LOOK_SECONDS)
                suspects, _ = _differing(engine, Truth(engine.store), suspects)
        for user in suspects:
            engine.store.command("DEL", engine.store.keys.timeline(user))
            rebuild(engine.data, user)
        found.differed += suspects
        found.users += len(part)
        report(found.users, len(users))
    return found


def _differing(engine: Engine, truth: Truth, users: Sequence[int]) -> tuple[list[int], int]:
    """Those whose timeline differs from the truth, and how many have a timeline at all."""
    batch = engine.store.batch()
    for user in users:
        batch.add("LRANGE", engine.store.keys.timeline(user), 0, -1)
    replies = batch.run(raise_errors=False)
    deferred = {
        pulled_author.author_id: pulled_author.since
        for pulled_author in engine.pulled_authors.all()
    }
    differing, timelines = [], 0
    for user, reply in zip(users, replies, strict=True):
        if isinstance(reply, Refused):  # no list at all
            differing.append(user)
        elif reply and not reply[-1].startswith(b"-"):  # "-": a rebuild under way says nothing
            timelines += 1
            if not _is_right(engine, truth, user, reply, deferred):
                differing.append(user)
    return differing, timelines


def _is_right(
    engine: Engine, truth: Truth, user: int, elements: Sequence[Any], deferred: dict[int, int]
) -> bool:
    try:
        ids = [int(element) for element in elements]
    except ValueError:
        return False  # somebody put something else there
    if any(upper <= lower for upper, lower in pairwise(ids)):
        return False
    floor = ids[-1]  # 0: it claims to be complete to the very beginning
    expected = {post for post in truth.feed(user) if post >= floor}
    there = set(ids) - {0}
    missing = list(expected - there)
    for post, found in zip(missing, engine.posts.get_many(missing), strict=True):
        if found is None or post >= deferred.get(found.author_id, post + 1):
            continue  # deleted meanwhile, or read by pull
        if engine.publishing.is_on_its_way(post):
            continue
        return False
    # An id without a body is a deleted post; readers skip it.
    return not any(engine.posts.get_many(list(there - expected)))
