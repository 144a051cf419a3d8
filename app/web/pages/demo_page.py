"""Everything that the demo page shows, gathered from the services."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from math import log10
from typing import Any

from flask import request

from app.bootstrap import Services, Snapshot
from app.datasets.users import User
from app.engine.errors import BadRequest, StoreDown, UnknownPost, UnknownUser
from app.web.api import health
from app.web.pages import inspector, readers, story
from app.web.problems import answer_to

DEFAULT_TEXT = "Hello, this is my first post today."
MOST_POSTS = 2
"""Stories shown side by side."""
BURST_LIMIT = 200
DEAD_LETTERS_SHOWN = 40


def context(services: Services) -> dict[str, Any]:
    """All that the page shows for this request's query. Raises `StoreDown`."""
    snapshot = services.snapshot()
    people = readers.cast(services)
    star = next((user for user in people if user.kind == "celebrity"), None)
    chosen, reader = posts_and_reader(services)
    author_id = services.engine.post(chosen[-1]).author_id if chosen else None
    if author_id is None and star:
        author_id = star.id
    offered = readers.followers_of(services, author_id) if author_id is not None else []
    reader = reader or (offered[0] if offered else None)
    if reader and all(user.id != reader.id for user in offered):
        offered = [reader, *offered]
    told = stories(services, chosen, reader)
    side = story.compare(services, reader, chosen) if reader else None
    post = told[-1].post if told else None
    return {
        "snapshot": {
            **snapshot,
            "posts_total": sum(snapshot["fanout"]["posts_total"].values()),
        },
        "cast": people,
        "dataset": None if people else health.dataset(services),
        "star": star,
        "star_log": round(log10(max(star.followers, 1)), 2) if star else 4,
        "form": {
            "author_id": author_id,
            "strategy": "write",
            "text": DEFAULT_TEXT,
            "error": None,
        },
        "stories": told,
        "readers": offered,
        "reader": reader,
        "comparison": side,
        "inspector": inspector.parts(services, post, reader, base()),
        "rate": _chosen_rate(snapshot),
        "dead": services.engine.dead_letters.list(DEAD_LETTERS_SHOWN),
        "burst_result": _burst_result(),
    }


def nothing(error: StoreDown) -> dict[str, Any]:
    """The page's context while the store does not answer."""
    return {"problem": answer_to(error), "snapshot": None, "stories": [], "star_log": 4}


def posts_and_reader(services: Services) -> tuple[list[int], User | None]:
    """The posts and the reader that the query names; what does not exist is left out."""
    named = [v for v in request.args.getlist("post") if v.isascii() and v.isdigit()]
    reader = None
    reader_id = request.args.get("reader", type=int)
    if reader_id is not None:
        with suppress(UnknownUser):
            reader = services.users.get(reader_id)
    return [int(v) for v in named[-MOST_POSTS:] if _exists(services, int(v))], reader


def stories(services: Services, chosen: Iterable[int], reader: User | None) -> list[story.Story]:
    """The stories of the posts whose fan-out is still known."""
    found = (story.story(services, post_id, reader) for post_id in chosen)
    return [told for told in found if told]


def whole(value: str, name: str) -> int:
    """A form's whole number. Raises `BadRequest`."""
    if not (value.isascii() and value.isdigit() and len(value) < 16):
        raise BadRequest(f"{name} must be a whole number, not {value[:40]!r}.")
    return int(value)


def base() -> str:
    """The page's own address, without the slash at the end."""
    return request.host_url.rstrip("/")


def _exists(services: Services, post_id: int) -> bool:
    try:
        services.engine.post(post_id)
    except UnknownPost:
        return False
    return True


def _chosen_rate(snapshot: Snapshot) -> str:
    state = snapshot["workers"]
    if state["paused"]:
        return "paused"
    rate = state["deliveries_per_second"]
    return "full" if rate is None else str(round(rate))


def _burst_result() -> str:
    accepted, refused = (request.args.get(name, type=int) for name in ("accepted", "refused"))
    if accepted is None or refused is None or not 0 < accepted + refused <= BURST_LIMIT:
        return ""
    return f"{accepted} posts accepted, {refused} refused with 503."
