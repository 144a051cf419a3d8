"""The pages: the demo, how it works, status. All of them work without JavaScript.

A form posts (`forms.py`), is answered with 303, and the page is drawn again from the store. With
JavaScript the same templates are fetched in parts (`/parts/...`), so nothing is drawn twice.
"""

import csv
import io
from collections.abc import Iterator
from typing import Any

import orjson
from flask import Blueprint, Response, jsonify, render_template, request

from app.current import services
from app.web.pages import demo_page, inspector, status_page, story
from app.web.problems import ANSWERS

bp = Blueprint("pages", __name__)


@bp.get("/")
def demo() -> tuple[str, int]:
    """The demo. With the store down it is drawn without its numbers, and says so."""
    return demo_page.draw(services())


@bp.get("/parts/dead")
def part_dead() -> str:
    """The dead-letter queue, as the page shows it."""
    dead = services().engine.dead_letters.list(demo_page.DEAD_LETTERS_SHOWN)
    return render_template("parts/dead.html", dead=dead, snapshot=services().snapshot())


@bp.get("/parts/stories")
def part_stories() -> str:
    """The stories of the posts in the query, as the page shows them."""
    told = story.stories(services(), *demo_page.posts_and_reader(services()))
    return render_template("parts/stories.html", stories=told)


@bp.get("/parts/readers")
def part_readers() -> Response:
    """Followers of `author` to read as: `[{"id", "name", "following"}]`."""
    found = demo_page.followers_of(services(), demo_page.whole(request.args, "author"))
    return jsonify([{"id": u.id, "name": u.name, "following": u.following} for u in found])


@bp.get("/parts/feeds")
def part_feeds() -> str:
    """The comparison for `reader`, as the page shows it."""
    posts, reader = demo_page.posts_and_reader(services())
    compared = story.compare(services(), reader, posts) if reader else None
    return render_template("parts/feeds.html", comparison=compared, reader=reader)


@bp.get("/parts/inspector")
def part_inspector() -> str:
    """Keys and commands of the newest of the posts and of the reader."""
    posts, reader = demo_page.posts_and_reader(services())
    found = inspector.inspect(services(), posts[-1] if posts else None, reader)
    return render_template("parts/inspector.html", inspected=found)


@bp.get("/numbers.json")
def numbers_json() -> Response:
    """All live numbers, flat: `{"queue.backlog": 0, ...}`."""
    return jsonify(dict(_numbers()))


@bp.get("/numbers.csv")
def numbers_csv() -> Response:
    """All live numbers as `name,value`; nothing measured is an empty field."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([("name", "value"), *_numbers()])
    head = {"Content-Disposition": "attachment; filename=fanout-numbers.csv"}
    return Response(out.getvalue(), mimetype="text/csv", headers=head)


def _numbers() -> Iterator[tuple[str, Any]]:
    return _flat(orjson.loads(orjson.dumps(services().snapshot())), "")


def _flat(node: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    if isinstance(node, (dict, list)):
        for key, value in node.items() if isinstance(node, dict) else enumerate(node):
            yield from _flat(value, f"{prefix}.{key}" if prefix else str(key))
    else:
        yield prefix, node


@bp.get("/how-it-works")
def how_it_works() -> str:
    """The explanation; it needs neither the store nor JavaScript."""
    errors = sorted(ANSWERS.values(), key=lambda answer: (answer.status, answer.slug))
    return render_template("how-it-works.html", errors=errors)


@bp.get("/status")
def status() -> tuple[str, int]:
    """Health, settings, versions; `?reset=PRESET` asks before it resets."""
    return status_page.draw(services())
