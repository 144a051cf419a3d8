"""Dead letters: jobs that were put aside because they kept failing."""

from __future__ import annotations

from flask import Response, jsonify
from flask_openapi import APIBlueprint, Tag
from pydantic import RootModel

from app.web.api.schemas import DeadLetterList, LetterPath, LettersQuery
from app.web.current import services

api = APIBlueprint(
    "dead_letters",
    __name__,
    url_prefix="/api/dead-letters",
    abp_tags=[Tag(name="dead letters")],
)


@api.get("", responses={200: RootModel[DeadLetterList]})
def listing(query: LettersQuery) -> Response:
    """The newest dead letters and why they are there"""
    return jsonify(DeadLetterList(dead_letters=services().dead_letters.list(query.limit)))


@api.post("/<letter_id>/requeue", responses={204: None})
def requeue(path: LetterPath) -> tuple[str, int]:
    """Queue the job anew; it goes on where it stopped"""
    services().dead_letters.requeue(path.letter_id)
    return "", 204


@api.delete("/<letter_id>", responses={204: None})
def drop(path: LetterPath) -> tuple[str, int]:
    """Give the job up

    The post stays in its author's log; `flask repair` mends timelines that lack it.
    """
    services().dead_letters.drop(path.letter_id)
    return "", 204
