"""The pages: the demo, how it works, status. All of them work without JavaScript.

A form posts, is answered with 303, and the page is drawn anew from the store. With
JavaScript the same templates are fetched in parts (`/parts/...`), so nothing is drawn twice.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast
from urllib.parse import urlencode

from flask import Blueprint, Flask, Response, jsonify, redirect, render_template, request, url_for
from flask.blueprints import BlueprintSetupState
from markupsafe import Markup
from werkzeug.wrappers import Response as AnyResponse

from app.current import services
from app.engine.errors import BadRequest, FanoutError, Overloaded, StoreDown, UnknownDeadLetter
from app.engine.models import checked_strategy
from app.web.pages import demo_page, exports, formatting, inspector, readers, status_page, story
from app.web.problems import ANSWERS, answer_to

bp = Blueprint("pages", __name__)


@bp.record_once
def _prepare(state: BlueprintSetupState) -> None:
    """Gives the application the filters and drawings that the templates use."""
    app = state.app
    formatting.install(cast(Flask, app))
    folder = Path(str(app.static_folder))
    cast(Flask, app).jinja_env.globals["svg"] = lambda name: _drawing(folder, name)


@bp.context_processor
def _settings() -> dict[str, object]:
    return {"settings": services().settings}


@bp.get("/")
def demo() -> tuple[str, int]:
    """The demo. With the store down it is drawn without its numbers, and says so."""
    try:
        return render_template("index.html", **demo_page.context(services())), 200
    except StoreDown as error:
        return render_template("index.html", **demo_page.nothing(error)), 503


@bp.post("/")
def publish() -> AnyResponse | tuple[str, int]:
    """Accepts the composer's form; the strategy `both` posts by write and by read."""
    form = request.form
    wanted = form.get("strategy", "")
    picked: tuple[str, ...] = ("write", "read") if wanted == "both" else (wanted,)
    try:
        author_id = demo_page.whole(form.get("author_id", ""), "author_id")
        posted = [
            services().engine.publish(author_id, form.get("text", ""), checked_strategy(name))[0].id
            for name in picked
        ]
    except FanoutError as error:
        return _refused(error)
    query = urlencode([("post", post_id) for post_id in posted])
    return redirect(f"{url_for('pages.demo')}?{query}#story", 303)


@bp.post("/workers")
def workers() -> AnyResponse | tuple[str, int]:
    """Sets the workers' rate limit: `paused`, `full` or a number of deliveries per second."""
    rate_limit = request.form.get("rate", "")
    try:
        rate = None if rate_limit in {"paused", "full"} else demo_page.whole(rate_limit, "rate")
        services().engine.control.set(rate_limit == "paused", rate)
    except FanoutError as error:
        return _refused(error)
    return redirect(url_for("pages.demo", _anchor="pressure"), 303)


@bp.post("/burst")
def burst() -> AnyResponse | tuple[str, int]:
    """Many posts by one author at once; tells how many were accepted and how many refused."""
    accepted = refused = 0
    try:
        author_id = demo_page.whole(request.form.get("author_id", ""), "author_id")
        count = demo_page.whole(request.form.get("count", ""), "count")
        if not 1 <= count <= demo_page.BURST_LIMIT:
            raise BadRequest(f"A burst has 1 to {demo_page.BURST_LIMIT} posts.")
        for index in range(1, count + 1):
            try:
                services().engine.publish(author_id, f"Burst, {index} of {count}.", "write")
                accepted += 1
            except Overloaded:
                refused += 1
    except FanoutError as error:
        return _refused(error)
    query = urlencode({"accepted": accepted, "refused": refused})
    return redirect(f"{url_for('pages.demo')}?{query}#pressure", 303)


@bp.post("/dead-letters")
def dead_letters() -> AnyResponse | tuple[str, int]:
    """Requeues or discards a dead letter. Harmless when somebody was quicker."""
    form = request.form
    try:
        name = form.get("dead_letter", "")
        if not services().engine.dead_letters.could_be(name):
            raise BadRequest("There is no such dead letter. Reload the page to see all.")
        match form.get("action"):
            case "requeue":
                services().engine.dead_letters.requeue(name)
            case "discard":
                services().engine.dead_letters.discard(name)
            case _:
                raise BadRequest(
                    "A dead letter is requeued or discarded: send action=requeue|discard."
                )
    except UnknownDeadLetter:
        return redirect(url_for("pages.demo", _anchor="dead"), 303)  # somebody was quicker
    except FanoutError as error:
        return _refused(error)
    return redirect(url_for("pages.demo", _anchor="dead"), 303)


@bp.get("/parts/dead")
def part_dead() -> str:
    """The dead-letter queue, as the page shows it."""
    dead = services().engine.dead_letters.list(demo_page.DEAD_LETTERS_SHOWN)
    return render_template("parts/dead.html", dead=dead, snapshot=services().snapshot())


@bp.get("/parts/stories")
def part_stories() -> str:
    """The stories of the posts in the query, as the page shows them."""
    chosen, reader = demo_page.posts_and_reader(services())
    told = demo_page.stories(services(), chosen, reader)
    return render_template("parts/stories.html", stories=told)


@bp.get("/parts/readers")
def part_readers() -> Response:
    """Followers of `author` to read as: `[{"id", "name", "following"}]`."""
    author_id = demo_page.whole(request.args.get("author", ""), "author")
    found = readers.followers_of(services(), author_id)
    return jsonify([{"id": u.id, "name": u.name, "following": u.following} for u in found])


@bp.get("/parts/feeds")
def part_feeds() -> str:
    """The comparison for `reader`, as the page shows it."""
    chosen, reader = demo_page.posts_and_reader(services())
    side = story.compare(services(), reader, chosen) if reader else None
    return render_template("parts/feeds.html", comparison=side, reader=reader)


@bp.get("/parts/inspector")
def part_inspector() -> str:
    """Keys and commands of the newest of the posts and of the reader."""
    chosen, reader = demo_page.posts_and_reader(services())
    post = services().engine.post(chosen[-1]) if chosen else None
    found = inspector.parts(services(), post, reader, demo_page.base())
    return render_template("parts/inspector.html", inspector=found)


@bp.get("/numbers.json")
def numbers_json() -> Response:
    """All live numbers, flat: `{"queue.backlog": 0, ...}`."""
    return jsonify(dict(exports.rows(services().snapshot())))


@bp.get("/numbers.csv")
def numbers_csv() -> Response:
    """All live numbers as `name,value`."""
    text = exports.as_csv(services().snapshot())
    head = {"Content-Disposition": "attachment; filename=fanout-numbers.csv"}
    return Response(text, mimetype="text/csv", headers=head)


@bp.get("/how-it-works")
def how_it_works() -> str:
    """The explanation; it needs neither the store nor JavaScript."""
    errors = sorted(ANSWERS.values(), key=lambda answer: (answer.status, answer.slug))
    return render_template("how-it-works.html", errors=errors)


@bp.get("/status")
def status() -> tuple[str, int]:
    """Health, settings, versions; `?reset=PRESET` asks before it resets."""
    found = status_page.context(services(), request.args.get("reset"))
    done = "done" in request.args
    return render_template("status.html", **found, reset_done=done), 503 if found[
        "problem"
    ] else 200


@bp.post("/status/reset")
def reset() -> AnyResponse | tuple[str, int]:
    """Empties the store and loads a dataset; the page has asked before."""
    try:
        seed = demo_page.whole(request.form.get("seed", ""), "seed")
        services().datasets.request(request.form.get("preset", ""), seed)
    except FanoutError as error:
        found, problem = status_page.context(services(), None), answer_to(error)
        return render_template("status.html", **found, reset_error=problem), problem.status
    return redirect(url_for("pages.status", done="", _anchor="dataset"), 303)


def _refused(error: FanoutError) -> tuple[str, int]:
    """The page again, with what was typed and why it was not accepted."""
    problem = answer_to(error)
    try:
        context = demo_page.context(services())
    except StoreDown as down:
        return render_template("index.html", **demo_page.nothing(down)), 503
    context["form"] = {
        "author_id": request.form.get("author_id", type=int),
        "strategy": request.form.get("strategy", "write"),
        "text": request.form.get("text", demo_page.DEFAULT_TEXT),
        "error": problem,
    }
    return render_template("index.html", **context), problem.status


def _drawing(folder: Path, name: str) -> Markup:
    """A drawing of ours from static/, to stand inside a page and take its colours."""
    return Markup((folder / name).read_text(encoding="utf-8"))
