"""Materialised timelines; `lua/20_timeline.lua` says what a timeline promises."""

from __future__ import annotations

import secrets
from collections.abc import Sequence, Set
from dataclasses import dataclass

import orjson

from ..settings import EngineSettings
from .client import Store

MOST_SENT = 1_000
"""Pull authors sent with a page. With more of them the server tells whom the user follows instead:
that has a limit of its own, FANOUT_FOLLOWING_LIMIT. Lua can hand over fewer than 8,000 at once."""


@dataclass(frozen=True, slots=True)
class TimelinePage:
    """A part of a timeline. `at_end`: nothing older exists anywhere. `pullers`: those of the
    asked pull authors whom the user follows. `bodies`: of the ids' posts as JSON texts
    with commas between, null for one that was deleted; empty where a Cluster keeps them apart."""

    ids: list[int]
    at_end: bool
    ttl_ms: int
    pulled_authors: list[int]
    bodies: bytes


class Timelines:
    """Timelines by user."""

    def __init__(self, store: Store, settings: EngineSettings) -> None:
        self._store = store
        self._keys = store.keys
        self._settings = settings

    def page(
        self, user: int, before: int, count: int, pulled_authors: Set[int]
    ) -> TimelinePage | None:
        """Up to `count` ids below `before` (0: from the newest); None without a timeline."""
        state, ids, at_end, ttl_ms, followed, bodies = self._store.call(
            "timeline_page",
            self._keys.timeline(user),
            self._keys.tag(user),
            user,
            before,
            count,
            int(not self._store.is_cluster),
            *(pulled_authors if len(pulled_authors) <= MOST_SENT else "*"),
        )
        if state != b"ready":
            return None
        pulled = [author for author in map(int, followed) if author in pulled_authors]
        return TimelinePage(orjson.loads(b"[%b]" % ids), bool(at_end), ttl_ms, pulled, bodies)

    def keep(self, user: int) -> None:
        """Starts the timeline's time to live anew."""
        name = self._keys.timeline(user)
        self._store.command("EXPIRE", name, self._settings.timeline_ttl)

    def begin_rebuild(self, user: int) -> str | None:
        """Puts a marker where there is no timeline; None when somebody else is at it."""
        name = self._keys.timeline(user)
        marker: bytes = self._store.call("rebuild_begin", name, secrets.randbelow(10**9))
        return marker.decode() or None

    def install(self, user: int, marker: str, ids: Sequence[int], *, complete: bool) -> bool:
        """Installs what was read since the marker was put. False: it was out of date already."""
        reply = self._store.call(
            "rebuild_install",
            self._keys.timeline(user),
            self._keys.tag(user),
            marker,
            self._settings.timeline_cap,
            self._settings.timeline_ttl,
            int(complete),
            *ids,
        )
        return bool(reply)
