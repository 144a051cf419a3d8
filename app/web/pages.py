"""The pages: the demo, how it works, status. All of them work without JavaScript.

A form posts, is answered with 303, and the page is drawn anew from what the store holds. With
JavaScript the same templates are fetched in parts (`/parts/...`), so nothing is drawn twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import log10
from typing import Any, cast
from urllib.parse import urlencode

from flask import Blueprint, Response, current_app, jsonify, redirect, render_template, request
from flask import url_for
from werkzeug.wrappers import Response as AnyResponse

from app.domain.errors import BadRequest, FanoutError, StoreDown
from app.domain.models import STRATEGIES, Strategy, User
from app.services.container import Services
from app.web import behind, exports, readers, story

bp = Blueprint("pages", __name__)

DEFAULT_TEXT = "Hello, this is my first post today."
BURST_LIMIT = 200


def services() -> Services:
    """The services of this process."""
    return cast(Services, current_app.extensions["fanout"])


@bp.get("/")
def demo() -> tuple[str, int]:
    """The demo. With the store down it is drawn without its numbers, and says so."""
    try:
        return render_template("index.html", **_everything()), 200
    except StoreDown as problem:
        return render_template("index.html", **_nothing(problem)), 503


@bp.post("/")
def publish() -> AnyResponse | tuple[str, int]:
    """Accepts the composer's form; the strategy `both` posts by write and by read."""
    form = request.form
    wanted = form.get("strategy", "")
    picked: tuple[str, ...] = ("write", "read") if wanted == "both" else (wanted,)
    try:
        author_id = _whole(form.get("author_id", ""), "author_id")
        posted = [
            services().publishing.publish(author_id, form.get("text", ""), _strategy(name))[0].id
            for name in picked
        ]
    except FanoutError as problem:
        return _refused(problem)
    return redirect(_demo_url(posted, anchor="story"), 303)


def _refused(problem: FanoutError) -> tuple[str, int]:
    """The page again, with what was typed and why it was not accepted."""
    try:
        context = _everything()
    except StoreDown as down:
        return render_template("index.html", **_nothing(down)), down.status
    form = request.form
    context["form"] = {
        "author_id": request.form.get("author_id", type=int),
        "strategy": form.get("strategy", "write"),
        "text": form.get("text", ""),
        "error": problem,
    }
    return render_template("index.html", **context), problem.status


@bp.post("/workers")
def workers() -> AnyResponse | tuple[str, int]:
    """Sets the workers' pace: `paused`, `full` or a number of deliveries per second."""
    pace = request.form.get("pace", "")
    try:
        rate = None if pace in {"paused", "full"} else _whole(pace, "pace")
        services().control.set(pace == "paused", rate)
    except FanoutError as problem:
        return _refused(problem)
    return redirect(url_for("pages.demo", _anchor="pressure"), 303)


@bp.post("/burst")
def burst() -> AnyResponse | tuple[str, int]:
    """Many posts by one author at once; tells how many were accepted and how many refused."""
    accepted = refused = 0
    try:
        author_id = _whole(request.form.get("author_id", ""), "author_id")
        count = min(_whole(request.form.get("count", ""), "count"), BURST_LIMIT)
        for index in range(1, count + 1):
            try:
                services().publishing.publish(author_id, f"Burst, {index} of {count}.", "write")
                accepted += 1
            except FanoutError as problem:
                if problem.status != 503 or isinstance(problem, StoreDown):
                    raise
                refused += 1
    except FanoutError as problem:
        return _refused(problem)
    query = urlencode({"accepted": accepted, "refused": refused})
    return redirect(f"{url_for('pages.demo')}?{query}#pressure", 303)


@bp.get("/parts/stories")
def part_stories() -> str:
    """The stories of the posts in the query, as the page shows them."""
    chosen, reader = _posts_and_reader()
    return render_template("demo/_stories.html", stories=_stories(chosen, reader))


@bp.get("/parts/readers")
def part_readers() -> Response:
    """Followers of `author` to read as: `[{"id", "name", "following"}]`."""
    found = readers.followers_of(services(), _whole(request.args.get("author", ""), "author"))
    return jsonify([{"id": u.id, "name": u.name, "following": u.following} for u in found])


@bp.get("/parts/feeds")
def part_feeds() -> str:
    """The comparison for `reader`, as the page shows it."""
    chosen, reader = _posts_and_reader()
    side = story.compare(services(), reader, chosen) if reader else None
    return render_template("demo/_comparison.html", comparison=side, reader=reader)


@bp.get("/parts/behind")
def part_behind() -> str:
    """Keys and commands of the newest of the posts and of the reader."""
    chosen, reader = _posts_and_reader()
    post = services().publishing.post(chosen[-1]) if chosen else None
    found = behind.parts(services(), post, reader, _base())
    return render_template("demo/_keys.html", behind=found)


@bp.get("/numbers.json")
def numbers_json() -> Response:
    """All live numbers, flat: `{"queue.backlog": 0, ...}`."""
    return jsonify(dict(exports.rows(services().metrics.snapshot())))


@bp.get("/numbers.csv")
def numbers_csv() -> Response:
    """All live numbers as `name,value`."""
    text = exports.as_csv(services().metrics.snapshot())
    return Response(
        text,
        mimetype="text/csv",
        headers={"Content-Disposition": "attachment; filename=fanout-numbers.csv"},
    )


@bp.get("/how-it-works")
def how_it_works() -> str:
    """The explanation; it needs neither the store nor JavaScript."""
    return render_template("how-it-works.html")


def _everything() -> dict[str, Any]:
    """All that the demo page shows. Raises `StoreDown`."""
    snapshot = services().metrics.snapshot()
    people = readers.cast(services())
    star = next((user for user in people if user.kind == "celebrity"), None)
    chosen, reader = _posts_and_reader()
    author_id = services().publishing.post(chosen[-1]).author_id if chosen else None
    if author_id is None and star:
        author_id = star.id
    offered = readers.followers_of(services(), author_id) if author_id is not None else []
    reader = reader or (offered[0] if offered else None)
    if reader and all(user.id != reader.id for user in offered):
        offered = [reader, *offered]
    stories = _stories(chosen, reader)
    side = story.compare(services(), reader, chosen) if reader else None
    post = stories[-1].post if stories else None
    return {
        **_frame(),
        "snapshot": _with_sums(snapshot),
        "cast": people,
        "star": star,
        "star_log": round(log10(max(star.followers, 1)), 2) if star else 4,
        "form": {
            "author_id": author_id,
            "strategy": "write",
            "text": DEFAULT_TEXT,
            "error": None,
        },
        "stories": stories,
        "readers": offered,
        "reader": reader,
        "comparison": side,
        "behind": behind.parts(services(), post, reader, _base()),
        "pace": _pace(snapshot),
        "burst_result": _burst_result(),
    }


def _nothing(problem: FanoutError) -> dict[str, Any]:
    """The demo page's context while the store does not answer."""
    return {**_frame(), "problem": problem, "snapshot": None, "stories": [], "star_log": 4}


def _frame() -> dict[str, Any]:
    return {"settings": services().settings}


def _with_sums(snapshot: dict[str, Any]) -> dict[str, Any]:
    return {**snapshot, "posts_total": sum(snapshot["fanout"]["posts_total"].values())}


def _posts_and_reader() -> tuple[list[int], User | None]:
    """The posts and the reader that the query names; what does not exist is left out."""
    args = request.args
    chosen = [int(value) for value in args.getlist("post")[-2:] if value.isascii() and value.isdigit()]
    reader_id = args.get("reader", type=int)
    reader = None
    if reader_id is not None:
        try:
            reader = services().users.get(reader_id)
        except FanoutError as problem:
            if problem.status != 404:
                raise
    return [post_id for post_id in chosen if _exists(post_id)], reader


def _exists(post_id: int) -> bool:
    try:
        services().publishing.post(post_id)
    except FanoutError as problem:
        if problem.status != 404:
            raise
        return False
    return True


def _stories(chosen: Iterable[int], reader: User | None) -> list[story.Story]:
    found = (story.story(services(), post_id, reader) for post_id in chosen)
    return [told for told in found if told]


def _strategy(name: str) -> Strategy:
    for strategy in STRATEGIES:
        if name == strategy:
            return strategy
    raise BadRequest(f"The strategy {name!r} is none of {', '.join(STRATEGIES)}.")


def _whole(value: str, name: str) -> int:
    if not (value.isascii() and value.isdigit() and len(value) < 16):
        raise BadRequest(f"{name} must be a whole number, not {value[:40]!r}.")
    return int(value)


def _demo_url(posted: list[int], anchor: str) -> str:
    query = urlencode([("post", post_id) for post_id in posted])
    return f"{url_for('pages.demo')}?{query}#{anchor}"


def _pace(snapshot: dict[str, Any]) -> str:
    state = snapshot["workers"]
    if state["paused"]:
        return "paused"
    rate = state["deliveries_per_second"]
    return "full" if rate is None else str(round(rate))


def _burst_result() -> str:
    accepted, refused = (request.args.get(name, type=int) for name in ("accepted", "refused"))
    if accepted is None or refused is None:
        return ""
    return f"{accepted} posts accepted, {refused} refused with 503."


def _base() -> str:
    return request.host_url.rstrip("/")
