"""Materialised timelines; `lua/20_timeline.lua` says what a timeline promises."""

import secrets
from collections.abc import Sequence, Set
from dataclasses import dataclass

import orjson

from ..settings import EngineSettings
from .client import Store

MOST_SENT = 1_000
"""Pulled authors sent with a page; Lua can hand over fewer than 8,000 at once. Beyond it the server
tells whom the user follows instead, which FANOUT_FOLLOWING_LIMIT bounds."""


@dataclass(frozen=True, slots=True)
class TimelinePage:
    """A part of a timeline. `at_end`: nothing older exists anywhere. `pulled_authors`: those asked
    for whom the user follows. `bodies`: as `Posts.bodies` has them; none on a Cluster."""

    ids: list[int]
    at_end: bool
    ttl_ms: int
    pulled_authors: list[int]
    bodies: list[bytes]


class Timelines:
    """Timelines by user."""

    def __init__(self, store: Store, settings: EngineSettings) -> None:
        self._store, self._keys, self._settings = store, store.keys, settings

    def page(
        self, user: int, before: int, count: int, pulled_authors: Set[int]
    ) -> TimelinePage | None:
        """Up to `count` ids below `before` (0: from the newest); None without a timeline."""
        key, tag = self._keys.timeline(user), self._keys.tag(user)
        with_bodies = 0 if self._store.is_cluster else 1
        asked = pulled_authors if len(pulled_authors) <= MOST_SENT else "*"
        page = self._store.call("timeline_page", key, tag, user, before, count, with_bodies, *asked)
        if page is None:
            return None
        ids, at_end, ttl_ms, followed, bodies = page
        pulled = [author for author in map(int, followed) if author in pulled_authors]
        texts = bodies.split(b"\n") if with_bodies and ids else []
        return TimelinePage(orjson.loads(b"[%b]" % ids), bool(at_end), ttl_ms, pulled, texts)

    def keep(self, user: int) -> None:
        """Starts the timeline's time to live anew."""
        self._store.command("EXPIRE", self._keys.timeline(user), self._settings.timeline_ttl)

    def raw(self, users: Sequence[int]) -> list[list[bytes] | None]:
        """The elements of the users' timelines, in one round trip; None where something else than
        a list lies."""
        commands = [("LRANGE", self._keys.timeline(user), 0, -1) for user in users]
        replies = self._store.run(commands, raise_errors=False)
        return [None if isinstance(reply, Exception) else reply for reply in replies]

    def drop(self, user: int) -> None:
        """Deletes the timeline."""
        self._store.command("DEL", self._keys.timeline(user))

    def begin_rebuild(self, user: int) -> str | None:
        """Puts a marker where there is no timeline; None when somebody else is at it."""
        nonce = secrets.randbelow(10**9)
        marker: bytes = self._store.call("rebuild_begin", self._keys.timeline(user), nonce)
        return marker.decode() or None

    def install(self, user: int, marker: str, ids: Sequence[int], *, complete: bool) -> bool:
        """Installs what was read since the marker was put. False: it was out of date already."""
        key, tag, settings = self._keys.timeline(user), self._keys.tag(user), self._settings
        args = marker, settings.timeline_cap, settings.timeline_ttl, int(complete), *ids
        return bool(self._store.call("rebuild_install", key, tag, *args))
