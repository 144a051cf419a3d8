"""Reading a feed from the logs, and installing it as the user's timeline."""

from collections.abc import Sequence

from ..store.data import Data
from .merge import Source, merge


def merged_logs(data: Data, authors: Sequence[int], before: int, count: int) -> Source:
    """At least `count` ids below `before` (0: from the newest) of the authors' logs, or all."""
    shards = data.posts.latest(authors, before, count)
    return merge(Source.asked(ids, count) for ids in shards)


def rebuild(data: Data, user_id: int) -> bool:
    """Installs the user's timeline from the logs. False: somebody else is at it, or a follow came
    between. Raises `StoreFull`."""
    marker = data.timelines.begin_rebuild(user_id)
    if marker is None:
        return False
    cap = data.settings.timeline_cap
    authors = [*data.graph.following(user_id), user_id]
    ids: list[int] = []
    before, count = 0, min(cap, 2 * cap // data.settings.shards + 16)
    while len(ids) < cap:
        merged = merged_logs(data, authors, before, count)
        ids += merged.ids
        before = merged.floor
        if not before:
            break
        count = min(cap, 2 * count)
    complete = not before and len(ids) <= cap
    return data.timelines.install(user_id, marker, ids[:cap], complete=complete)
