"""Feeds under one strategy, and under all of them side by side."""

from __future__ import annotations

from flask import Response, jsonify
from flask_openapi import APIBlueprint, Tag

from app.web.current import services
from app.web.schemas import (
    CompareOut,
    CompareQuery,
    FeedOut,
    FeedQuery,
    Problem,
    UserPath,
    comparison_json,
    feed_json,
)

api = APIBlueprint(
    "feeds",
    __name__,
    url_prefix="/api",
    abp_tags=[Tag(name="feeds")],
    abp_responses={"400": Problem, "404": Problem, "503": Problem},
)


@api.get("/feed/<int:user_id>", responses={200: FeedOut})
def feed(path: UserPath, query: FeedQuery) -> Response:
    """A page of a user's feed, newest first

    Send `next_cursor` of one page as `cursor` to get the next; it is null on the last page.
    """
    page = services().feeds.page(path.user_id, query.strategy, query.limit, query.cursor)
    return jsonify(feed_json(page))


@api.get("/compare/<int:user_id>", responses={200: CompareOut})
def compare(path: UserPath, query: CompareQuery) -> Response:
    """The newest page under every strategy, with what each cost"""
    return jsonify(comparison_json(services().feeds.compare(path.user_id, query.limit)))
