"""Feeds under one strategy, and under all of them side by side."""

from __future__ import annotations

from flask import Response, jsonify
from flask_openapi import APIBlueprint, Tag
from pydantic import RootModel

from app.engine.models import Comparison, Feed
from app.web.api.schemas import CompareQuery, FeedQuery, UserPath
from app.web.current import services

api = APIBlueprint(
    "feeds",
    __name__,
    url_prefix="/api",
    abp_tags=[Tag(name="feeds")],
)


@api.get("/feed/<int:user_id>", responses={200: RootModel[Feed]})
def feed(path: UserPath, query: FeedQuery) -> Response:
    """A page of a user's feed, newest first

    Send `next_cursor` of one page as `cursor` to get the next; it is null on the last page.
    """
    page = services().engine.feed(path.user_id, query.strategy, query.limit, query.cursor)
    return jsonify(page)


@api.get("/compare/<int:user_id>", responses={200: RootModel[Comparison]})
def compare(path: UserPath, query: CompareQuery) -> Response:
    """The newest page under every strategy, with what each cost"""
    return jsonify(services().engine.compare(path.user_id, query.limit))
