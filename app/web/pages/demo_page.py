"""Everything that the demo page shows, gathered from the services."""

from collections.abc import Iterable
from contextlib import suppress
from math import log10
from typing import Any

from flask import request

from app.bootstrap import Services
from app.datasets.users import User
from app.engine.errors import BadRequest, StoreDown, UnknownPost, UnknownUser
from app.engine.models import Post
from app.web.api import health
from app.web.pages import inspector, readers, story
from app.web.problems import answer_to

DEFAULT_TEXT = "Hello, this is my first post today."
MOST_POSTS = 2
"""Stories shown side by side."""
DEAD_LETTERS_SHOWN = 40


def context(services: Services) -> dict[str, Any]:
    """All that the page shows for this request's query. Raises `StoreDown`."""
    people = readers.cast(services)
    star = next((user for user in people if user.kind == "celebrity"), None)
    posts, reader = posts_and_reader(services)
    author_id = posts[-1].author_id if posts else star.id if star else None
    offered = readers.followers_of(services, author_id) if author_id is not None else []
    reader = reader or (offered[0] if offered else None)
    if reader and all(user.id != reader.id for user in offered):
        offered = [reader, *offered]
    told = stories(services, posts, reader)
    fresh = {post.id for post in posts}
    return {
        "snapshot": services.snapshot(),
        "cast": people,
        "dataset": None if people else health.dataset(services),
        "star": star,
        "star_log": round(log10(max(star.followers, 1)), 2) if star else 4,
        "form": {"author_id": author_id, "strategy": "write", "text": DEFAULT_TEXT, "error": None},
        "stories": told,
        "readers": offered,
        "reader": reader,
        "comparison": story.compare(services, reader, fresh) if reader else None,
        "inspected": inspector.inspect(services, told[-1].post if told else None, reader),
        "dead": services.engine.dead_letters.list(DEAD_LETTERS_SHOWN),
    }


def nothing(error: StoreDown) -> dict[str, Any]:
    """The page's context while the store does not answer."""
    return {"problem": answer_to(error), "snapshot": None, "stories": [], "star_log": 4}


def posts_and_reader(services: Services) -> tuple[list[Post], User | None]:
    """The posts and the reader that the query names; what does not exist is left out."""
    posts, reader = [], None
    named = [v for v in request.args.getlist("post") if v.isascii() and v.isdigit()]
    for post_id in named[-MOST_POSTS:]:
        with suppress(UnknownPost):
            posts.append(services.engine.post(int(post_id)))
    with suppress(UnknownUser):
        if (reader_id := request.args.get("reader", type=int)) is not None:
            reader = services.users.get(reader_id)
    return posts, reader


def stories(services: Services, posts: Iterable[Post], reader: User | None) -> list[story.Story]:
    """The stories of the posts whose fan-out is still known."""
    found = (story.story(services, post, reader) for post in posts)
    return [told for told in found if told]


def whole(value: str, name: str) -> int:
    """A form's whole number. Raises `BadRequest`."""
    if not (value.isascii() and value.isdigit() and len(value) < 16):
        raise BadRequest(f"{name} must be a whole number, not {value[:40]!r}.")
    return int(value)
