"""The pages: the demo, how it works, status. All of them work without JavaScript.

A form posts (`forms.py`), is answered with 303, and the page is drawn again from the store. With
JavaScript the same templates are fetched in parts (`/parts/...`), so nothing is drawn twice.
"""

from pathlib import Path
from typing import cast

from flask import Blueprint, Flask, Response, jsonify, render_template, request
from flask.blueprints import BlueprintSetupState
from markupsafe import Markup

from app.current import services
from app.engine.errors import StoreDown
from app.web.pages import demo_page, exports, formatting, inspector, readers, status_page, story
from app.web.problems import ANSWERS

bp = Blueprint("pages", __name__)


@bp.record_once
def _prepare(state: BlueprintSetupState) -> None:
    """Gives the application the filters and drawings that the templates use."""
    app = cast(Flask, state.app)
    formatting.install(app)
    folder = Path(str(app.static_folder))
    # A drawing of ours from static/ stands inside a page and takes its colours.
    app.jinja_env.globals["svg"] = lambda name: Markup((folder / name).read_text("utf-8"))


@bp.app_context_processor
def _settings() -> dict[str, object]:
    return {"settings": services().settings}


@bp.get("/")
def demo() -> tuple[str, int]:
    """The demo. With the store down it is drawn without its numbers, and says so."""
    try:
        return render_template("index.html", **demo_page.context(services())), 200
    except StoreDown as error:
        return render_template("index.html", **demo_page.nothing(error)), 503


@bp.get("/parts/dead")
def part_dead() -> str:
    """The dead-letter queue, as the page shows it."""
    dead = services().engine.dead_letters.list(demo_page.DEAD_LETTERS_SHOWN)
    return render_template("parts/dead.html", dead=dead, snapshot=services().snapshot())


@bp.get("/parts/stories")
def part_stories() -> str:
    """The stories of the posts in the query, as the page shows them."""
    told = demo_page.stories(services(), *demo_page.posts_and_reader(services()))
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
    posts, reader = demo_page.posts_and_reader(services())
    compared = story.compare(services(), reader, {post.id for post in posts}) if reader else None
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
    return jsonify(dict(exports.rows(services().snapshot())))


@bp.get("/numbers.csv")
def numbers_csv() -> Response:
    """All live numbers as `name,value`."""
    head = {"Content-Disposition": "attachment; filename=fanout-numbers.csv"}
    return Response(exports.as_csv(services().snapshot()), mimetype="text/csv", headers=head)


@bp.get("/how-it-works")
def how_it_works() -> str:
    """The explanation; it needs neither the store nor JavaScript."""
    errors = sorted(ANSWERS.values(), key=lambda answer: (answer.status, answer.slug))
    return render_template("how-it-works.html", errors=errors)


@bp.get("/status")
def status() -> tuple[str, int]:
    """Health, settings, versions; `?reset=PRESET` asks before it resets."""
    found = status_page.context(services(), request.args.get("reset"))
    page = render_template("status.html", **found, reset_done="done" in request.args)
    return page, 503 if found["problem"] else 200
