"""Posts: publish, read, delete, and how far the fan-out is."""

from __future__ import annotations

from flask import Response, jsonify, request, url_for
from flask_openapi import APIBlueprint, Tag

from app.web.current import services
from app.web.schemas import (
    FanoutState,
    PostBody,
    PostOut,
    PostPath,
    Problem,
    PublishedOut,
    fanout_json,
    post_json,
)

api = APIBlueprint(
    "posts",
    __name__,
    url_prefix="/api/posts",
    abp_tags=[Tag(name="posts")],
    abp_responses={"404": Problem, "503": Problem},
)


@api.post("", responses={202: PublishedOut, 400: Problem, 415: Problem})
def publish(body: PostBody) -> tuple[Response, int]:
    """Accept a post

    It is stored and visible to its author when this returns; the followers' timelines are filled
    by the workers. With an Idempotency-Key the same request may be repeated safely.
    """
    post, fanout = services().publishing.publish(
        body.author_id, body.text, body.strategy, request.headers.get("Idempotency-Key")
    )
    answer = {
        "post": post_json(post),
        "fanout": {
            "status": fanout.status,
            "recipients": fanout.recipients,
            "status_url": url_for("posts.fanout", post_id=post.id),
        },
    }
    return jsonify(answer), 202


@api.get("/<int:post_id>", responses={200: PostOut})
def read(path: PostPath) -> Response:
    """One post"""
    return jsonify(post_json(services().publishing.post(path.post_id)))


@api.delete("/<int:post_id>", responses={204: None})
def delete(path: PostPath) -> tuple[str, int]:
    """Remove a post from every feed"""
    services().publishing.delete(path.post_id)
    return "", 204


@api.get("/<int:post_id>/fanout", responses={200: FanoutState})
def fanout(path: PostPath) -> Response:
    """How far a post's deliveries are

    Kept for an hour after the last delivery.
    """
    return jsonify(fanout_json(services().publishing.fanout(path.post_id)))
