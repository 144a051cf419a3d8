"""The routes of the JSON API. They only translate: the work belongs to engine and datasets."""

from typing import Any

from flask import Response, jsonify, request, url_for
from flask_openapi import Tag
from pydantic import RootModel

from app.bootstrap import Snapshot
from app.current import services
from app.datasets.state import Dataset
from app.datasets.users import User
from app.engine.models import Comparison, Fanout, Feed, Post
from app.engine.store.control import RateLimit
from app.web.api import schemas
from app.web.api.checking import CheckedBlueprint
from app.web.api.schemas import Problem

Tags = list[Tag | dict[str, Any]]
POSTS: Tags = [{"name": "posts"}]
FEEDS: Tags = [{"name": "feeds"}]
USERS: Tags = [{"name": "users"}]
DEAD_LETTERS: Tags = [{"name": "dead letters"}]
SYSTEM: Tags = [{"name": "system"}]
EDGE = "/users/<int:user_id>/following/<int:author_id>"
NO_CONTENT = "", 204

api = CheckedBlueprint("api", __name__, url_prefix="/api")


@api.post("/posts", tags=POSTS, responses={202: RootModel[schemas.Published], 404: Problem})
def publish(body: schemas.PostBody) -> tuple[Response, int]:
    """Accept a post

    It is stored and visible to its author when this returns; the followers' timelines are filled
    by the workers. With an Idempotency-Key the same request may be repeated safely.
    """
    post, fanout = services().engine.publish(
        body.author_id, body.text, body.strategy, request.headers.get("Idempotency-Key")
    )
    url = url_for("api.fanout", post_id=post.id)
    accepted = schemas.Accepted(status=fanout.status, recipients=fanout.recipients, status_url=url)
    return jsonify(schemas.Published(post=post, fanout=accepted)), 202


@api.get("/posts/<int:post_id>", tags=POSTS, responses={200: RootModel[Post]})
def post(path: schemas.PostPath) -> Response:
    """One post"""
    return jsonify(services().engine.post(path.post_id))


@api.delete("/posts/<int:post_id>", tags=POSTS, responses={204: None})
def delete_post(path: schemas.PostPath) -> tuple[str, int]:
    """Remove a post from every feed"""
    services().engine.delete(path.post_id)
    return NO_CONTENT


@api.get("/posts/<int:post_id>/fanout", tags=POSTS, responses={200: RootModel[Fanout]})
def fanout(path: schemas.PostPath) -> Response:
    """How far a post's deliveries are

    Kept for an hour after the last delivery.
    """
    services().engine.post(path.post_id)  # nothing is told of a deleted one
    return jsonify(RootModel[Fanout](services().engine.fanout(path.post_id)).model_dump())


@api.get("/feed/<int:user_id>", tags=FEEDS, responses={200: RootModel[Feed]})
def feed(path: schemas.UserPath, query: schemas.FeedQuery) -> Response:
    """A page of a user's feed, newest first

    Send `next_cursor` of one page as `cursor` to get the next; it is null on the last page.
    """
    page = services().engine.feed_json(path.user_id, query.strategy, query.limit, query.cursor)
    return Response(page, mimetype="application/json")


@api.get("/compare/<int:user_id>", tags=FEEDS, responses={200: RootModel[Comparison]})
def compare(path: schemas.UserPath, query: schemas.CompareQuery) -> Response:
    """The newest page under every strategy, with what each cost"""
    return jsonify(services().engine.compare(path.user_id, query.limit))


@api.get("/users", tags=USERS, responses={200: RootModel[schemas.UserList]})
def users(query: schemas.UsersQuery) -> Response:
    """Users of a kind, most followed first"""
    return jsonify({"users": services().users.list(query.kind, query.limit)})


@api.get("/users/<int:user_id>", tags=USERS, responses={200: RootModel[User]})
def user(path: schemas.UserPath) -> Response:
    """One user"""
    return jsonify(services().users.get(path.user_id))


@api.put(EDGE, tags=USERS, responses={204: None, 409: Problem})
def follow(path: schemas.EdgePath) -> tuple[str, int]:
    """Follow somebody; harmless to repeat"""
    services().engine.follow(path.user_id, path.author_id)
    return NO_CONTENT


@api.delete(EDGE, tags=USERS, responses={204: None, 409: Problem})
def unfollow(path: schemas.EdgePath) -> tuple[str, int]:
    """Unfollow somebody; harmless to repeat"""
    services().engine.unfollow(path.user_id, path.author_id)
    return NO_CONTENT


@api.get("/dead-letters", tags=DEAD_LETTERS, responses={200: RootModel[schemas.DeadLetterList]})
def dead_letters(query: schemas.DeadLettersQuery) -> Response:
    """The newest dead letters and why they are there"""
    return jsonify({"dead_letters": services().engine.dead_letters.list(query.limit)})


@api.post("/dead-letters/<dead_letter_id>/requeue", tags=DEAD_LETTERS, responses={204: None})
def requeue(path: schemas.DeadLetterPath) -> tuple[str, int]:
    """Queue the job again; it goes on from its cursor"""
    services().engine.dead_letters.requeue(path.dead_letter_id)
    return NO_CONTENT


@api.delete("/dead-letters/<dead_letter_id>", tags=DEAD_LETTERS, responses={204: None})
def discard(path: schemas.DeadLetterPath) -> tuple[str, int]:
    """Give the job up

    The post stays in its author's log; `flask repair` repairs timelines that lack it.
    """
    services().engine.dead_letters.discard(path.dead_letter_id)
    return NO_CONTENT


@api.get("/metrics", tags=SYSTEM, responses={200: RootModel[Snapshot]})
def metrics() -> Response:
    """What the page shows: processing times, fan-out, queue, backpressure, workers"""
    return jsonify(services().snapshot())


@api.put("/workers", tags=SYSTEM, responses={200: RootModel[RateLimit]})
def set_workers(body: schemas.WorkersBody) -> Response:
    """Pause the workers, or bound the deliveries per second over all of them"""
    services().engine.control.set(body.paused, body.deliveries_per_second)
    return jsonify(services().engine.control.rate_limit())


@api.post("/datasets", tags=SYSTEM, responses={202: RootModel[Dataset], 409: Problem})
def load_dataset(body: schemas.DatasetBody) -> tuple[Response, int]:
    """Replace all users and posts by a generated dataset"""
    services().datasets.request(body.preset, body.seed)
    return jsonify(services().datasets.current()), 202


@api.get("/datasets/current", tags=SYSTEM, responses={200: RootModel[Dataset]})
def dataset() -> Response:
    """Which dataset is loaded, or how far the loading is"""
    return jsonify(services().datasets.current())
