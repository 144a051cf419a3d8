"""What the forms of the pages do, without JavaScript. A form that is done is answered with 303; one
that is refused gets its page again, with what was typed and why it was not accepted."""

from contextlib import suppress

from flask import Blueprint, redirect, request, url_for
from werkzeug.wrappers import Response

from app.current import services
from app.engine.errors import BadRequest, FanoutError, Overloaded, UnknownDeadLetter
from app.engine.models import checked_strategy
from app.web.pages import demo_page, status_page
from app.web.problems import answer_to

bp = Blueprint("forms", __name__)

BURST_LIMIT = 200
"""Most posts of one burst."""


@bp.post("/")
def publish() -> Response:
    """Accepts the composer's form; the strategy `both` posts by write and by read."""
    author_id, text = demo_page.whole(request.form, "author_id"), request.form.get("text", "")
    wanted = request.form.get("strategy", "")
    strategies = map(checked_strategy, ("write", "read") if wanted == "both" else (wanted,))
    posted = [services().engine.publish(author_id, text, each)[0].id for each in strategies]
    return redirect(url_for("pages.demo", post=posted, _anchor="story"), 303)


@bp.post("/workers")
def workers() -> Response:
    """Sets the workers' rate limit: `paused`, `full` or a number of deliveries per second."""
    wanted = request.form.get("rate", "")
    rate = None if wanted in {"paused", "full"} else demo_page.whole(request.form, "rate")
    services().engine.control.set(wanted == "paused", rate)
    return redirect(url_for("pages.demo", _anchor="pressure"), 303)


@bp.post("/burst")
def burst() -> Response:
    """Many posts by one author at once; tells how many were accepted and how many refused."""
    author_id = demo_page.whole(request.form, "author_id")
    count = demo_page.whole(request.form, "count")
    if not 1 <= count <= BURST_LIMIT:
        raise BadRequest(f"A burst has 1 to {BURST_LIMIT} posts.")
    accepted = 0
    for index in range(1, count + 1):
        with suppress(Overloaded):
            services().engine.publish(author_id, f"Burst, {index} of {count}.", "write")
            accepted += 1
    address = url_for("pages.demo", accepted=accepted, refused=count - accepted, _anchor="pressure")
    return redirect(address, 303)


@bp.post("/dead-letters")
def dead_letters() -> Response:
    """Requeues or discards a dead letter. Harmless when somebody was quicker."""
    name, dead_letters = request.form.get("dead_letter", ""), services().engine.dead_letters
    actions = {"requeue": dead_letters.requeue, "discard": dead_letters.discard}
    action = actions.get(request.form.get("action", ""))
    if not dead_letters.could_be(name):
        raise BadRequest("There is no such dead letter. Reload the page to see all.")
    if action is None:
        raise BadRequest("A dead letter is requeued or discarded: send action=requeue|discard.")
    with suppress(UnknownDeadLetter):  # somebody was quicker
        action(name)
    return redirect(url_for("pages.demo", _anchor="dead"), 303)


@bp.post("/status/reset")
def reset() -> Response | tuple[str, int]:
    """Empties the store and loads a dataset; the page has asked before."""
    try:
        seed = demo_page.whole(request.form, "seed")
        services().datasets.request(request.form.get("preset", ""), seed)
    except FanoutError as error:
        return status_page.draw(services(), answer_to(error))
    return redirect(url_for("pages.status", done="", _anchor="dataset"), 303)


@bp.errorhandler(FanoutError)
def page_again(error: FanoutError) -> tuple[str, int]:
    """The demo page again, with what was typed and why it was not accepted."""
    return demo_page.draw(services(), answer_to(error))
