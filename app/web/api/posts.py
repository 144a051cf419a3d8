"""Posts: publish, read, delete, and how far the fan-out is."""

from __future__ import annotations

from flask import Response, jsonify, request, url_for
from flask_openapi import APIBlueprint, Tag
from pydantic import RootModel

from app.engine.models import Fanout, Post
from app.web.api.schemas import PostBody, PostPath, Problem, Published
from app.web.current import services

api = APIBlueprint(
    "posts",
    __name__,
    url_prefix="/api/posts",
    abp_tags=[Tag(name="posts")],
)


@api.post("", responses={202: RootModel[Published], 404: Problem})
def publish(body: PostBody) -> tuple[Response, int]:
    """Accept a post

    It is stored and visible to its author when this returns; the followers' timelines are filled
    by the workers. With an Idempotency-Key the same request may be repeated safely.
    """
    post, fanout = services().engine.publish(
        body.author_id, body.text, body.strategy, request.headers.get("Idempotency-Key")
    )
    answer: Published = {
        "post": post,
        "fanout": {
            "status": fanout.status,
            "recipients": fanout.recipients,
            "status_url": url_for("posts.fanout", post_id=post.id),
        },
    }
    return jsonify(answer), 202


@api.get("/<int:post_id>", responses={200: RootModel[Post]})
def read(path: PostPath) -> Response:
    """One post"""
    return jsonify(services().engine.post(path.post_id))


@api.delete("/<int:post_id>", responses={204: None})
def delete(path: PostPath) -> tuple[str, int]:
    """Remove a post from every feed"""
    services().engine.delete(path.post_id)
    return "", 204


@api.get("/<int:post_id>/fanout", responses={200: RootModel[Fanout]})
def fanout(path: PostPath) -> Response:
    """How far a post's deliveries are

    Kept for an hour after the last delivery.
    """
    services().engine.post(path.post_id)  # nothing is told of a deleted one
    state = services().engine.fanout(path.post_id)
    return jsonify(RootModel[Fanout](state).model_dump())
