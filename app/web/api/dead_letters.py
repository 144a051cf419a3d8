"""Dead letters: jobs that were put aside because they kept failing."""

from __future__ import annotations

from flask import Response, jsonify
from flask_openapi import APIBlueprint, Tag
from pydantic import RootModel

from app.web.api.schemas import DeadLetterList, DeadLetterPath, DeadLettersQuery
from app.web.current import services

api = APIBlueprint(
    "dead_letters",
    __name__,
    url_prefix="/api/dead-letters",
    abp_tags=[Tag(name="dead letters")],
)


@api.get("", responses={200: RootModel[DeadLetterList]})
def listing(query: DeadLettersQuery) -> Response:
    """The newest dead letters and why they are there"""
    return jsonify(DeadLetterList(dead_letters=services().engine.dead_letters.list(query.limit)))


@api.post("/<dead_letter_id>/requeue", responses={204: None})
def requeue(path: DeadLetterPath) -> tuple[str, int]:
    """Queue the job anew; it goes on where it stopped"""
    services().engine.dead_letters.requeue(path.dead_letter_id)
    return "", 204


@api.delete("/<dead_letter_id>", responses={204: None})
def discard(path: DeadLetterPath) -> tuple[str, int]:
    """Give the job up

    The post stays in its author's log; `flask repair` mends timelines that lack it.
    """
    services().engine.dead_letters.discard(path.dead_letter_id)
    return "", 204
