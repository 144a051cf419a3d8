"""Everything that the demo page shows, gathered from the services."""

from collections.abc import Mapping
from contextlib import suppress
from math import log10
from typing import Any

from flask import render_template, request

from app.bootstrap import Services
from app.datasets.kinds import KINDS
from app.datasets.users import User
from app.engine.errors import BadRequest, StoreDown, UnknownPost, UnknownUser
from app.engine.models import Post
from app.web import health
from app.web.pages import inspector, story
from app.web.problems import Answer, answer_to

DEFAULT_TEXT = "Hello, this is my first post today."
MOST_POSTS = 2
"""Stories shown side by side."""
DEAD_LETTERS_SHOWN = 40
SAMPLE_PER_KIND = 40
SAMPLE_PER_SHARD = 2
READERS_OFFERED = 12


def draw(services: Services, refused: Answer | None = None) -> tuple[str, int]:
    """The page and its status. `refused` says why this request's form was not accepted; what was
    typed is kept. While the store does not answer there are no numbers, and the page says so."""
    try:
        page = render_template("index.html", **_context(services, refused))
        return page, refused.status if refused else 200
    except StoreDown as error:
        problem = answer_to(error)
        page = render_template("index.html", problem=problem, snapshot=None, star_log=4)
        return page, problem.status


def _context(services: Services, refused: Answer | None) -> dict[str, Any]:
    people = cast(services)
    star = next((user for user in people if user.kind == "celebrity"), None)
    posts, reader = posts_and_reader(services)
    author_id = posts[-1].author_id if posts else star.id if star else None
    offered = followers_of(services, author_id) if author_id is not None else []
    reader = reader or (offered[0] if offered else None)
    if reader and all(user.id != reader.id for user in offered):
        offered = [reader, *offered]
    told = story.stories(services, posts, reader)
    return {
        "snapshot": services.snapshot(),
        "cast": people,
        "dataset": None if people else health.dataset(services),
        "star": star,
        "star_log": round(log10(max(star.followers, 1)), 2) if star else 4,
        "form": {
            "author_id": request.form.get("author_id", author_id, type=int),
            "strategy": request.form.get("strategy", "write"),
            "text": request.form.get("text", DEFAULT_TEXT),
            "error": refused,
        },
        "stories": told,
        "readers": offered,
        "reader": reader,
        "comparison": story.compare(services, reader, posts) if reader else None,
        "inspected": inspector.inspect(services, told[-1].post if told else None, reader),
        "dead": services.engine.dead_letters.list(DEAD_LETTERS_SHOWN),
    }


def cast(services: Services) -> list[User]:
    """One user of each kind, least followed first: a typical one, and the largest celebrity. Empty
    while no dataset is loaded."""
    users = services.users.of_each_kind(SAMPLE_PER_KIND)
    chosen: list[User] = []
    for kind in reversed(KINDS):
        alike = sorted((u for u in users if u.kind == kind), key=lambda user: user.followers)
        if alike:
            chosen.append(alike[-1] if kind == "celebrity" else alike[len(alike) // 2])
    return chosen


def followers_of(services: Services, author_id: int) -> list[User]:
    """A handful of the author's followers from all shards, those who follow most people first."""
    ids = services.engine.graph.some_followers(author_id, SAMPLE_PER_SHARD)
    users = services.users.get_many(ids[:READERS_OFFERED])
    return sorted(users, key=lambda user: user.following, reverse=True)


def posts_and_reader(services: Services) -> tuple[list[Post], User | None]:
    """The posts and the reader that the query names; what does not exist is left out."""
    posts, reader = [], None
    for post_id in request.args.getlist("post", type=int)[-MOST_POSTS:]:
        with suppress(UnknownPost):
            posts.append(services.engine.post(post_id))
    with suppress(UnknownUser):
        if (reader_id := request.args.get("reader", type=int)) is not None:
            reader = services.users.get(reader_id)
    return posts, reader


def whole(values: Mapping[str, str], name: str) -> int:
    """The whole number of this name in a form or a query. Raises `BadRequest`."""
    value = values.get(name, "")
    if not (value.isascii() and value.isdigit() and len(value) < 16):
        raise BadRequest(f"{name} must be a whole number, not {value[:40]!r}.")
    return int(value)
