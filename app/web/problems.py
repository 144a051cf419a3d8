"""What the web tells of each error: HTTP status, title, slug, Retry-After and what to do next."""

from __future__ import annotations

from dataclasses import dataclass, replace

from app.engine import errors


class NotJson(errors.FanoutError):
    """The content type is not JSON."""


class BrokenJson(errors.FanoutError):
    """The body does not parse, or is no object."""


class TooFast(errors.FanoutError):
    """The client's rate limit is used up."""


class ForeignHost(errors.FanoutError):
    """The Host header names neither us nor an IP address."""


class ForeignOrigin(errors.FanoutError):
    """Another site's page sent the request."""


@dataclass(frozen=True, slots=True)
class ErrorAnswer:
    """An error as problem+json and pages show it.

    `slug` ends the address of its type; without one the error means no more than its status says,
    for which RFC 9457 has the type `about:blank`. `retry_after` is in seconds.
    """

    status: int
    title: str
    slug: str = ""
    advice: str = ""
    retry_after: int | None = None
    detail: str = ""


ANSWERS = {
    errors.FanoutError: ErrorAnswer(500, "Something went wrong", "internal"),
    errors.BadRequest: ErrorAnswer(422, "The request has invalid fields", "invalid-fields"),
    errors.BadText: ErrorAnswer(
        422, "The text cannot be posted", "bad-text", "Change it and try again."
    ),
    errors.BadCursor: ErrorAnswer(
        400,
        "The cursor is not valid",
        "bad-cursor",
        "Send `next_cursor` of the page before, unchanged, or start without a cursor.",
    ),
    errors.UnknownUser: ErrorAnswer(
        404, "There is no such user", "unknown-user", "GET /api/users lists some."
    ),
    errors.UnknownPost: ErrorAnswer(
        404, "There is no such post", "unknown-post", "GET /api/feed/<user> lists a user's posts."
    ),
    errors.UnknownDeadLetter: ErrorAnswer(
        404,
        "There is no such dead letter",
        "unknown-dead-letter",
        "GET /api/dead-letters lists all.",
    ),
    errors.SelfFollow: ErrorAnswer(
        409, "Nobody follows themselves", "self-follow", "Name another user."
    ),
    errors.Busy: ErrorAnswer(
        409, "Something else is under way", "busy", "Wait until it is ready, then ask again."
    ),
    errors.KeyReused: ErrorAnswer(
        422,
        "The Idempotency-Key was used for another post",
        "key-reused",
        "Use a new key for a new post.",
    ),
    errors.Overloaded: ErrorAnswer(
        503, "The backlog is full", "overloaded", "Try again in a moment, or start more workers.", 2
    ),
    errors.StoreDown: ErrorAnswer(
        503, "The store does not answer", "store-down", "Run ./status.sh, then try again.", 1
    ),
    errors.NoAnswer: ErrorAnswer(
        503,
        "The store did not answer in time",
        "store-silent",
        "Look before you ask again. A post can be repeated safely with the same Idempotency-Key:"
        " it is accepted once only. ./status.sh tells how Redis is.",
        1,
    ),
    errors.StoreFull: ErrorAnswer(
        503,
        "The store takes no writes",
        "store-full",
        "Raise its maxmemory, or make space on its disk, then try again; its log tells more.",
        5,
    ),
    errors.WrongShards: ErrorAnswer(
        503,
        "The store does not fit the settings",
        "wrong-shards",
        "Start with FANOUT_SHARDS as the data has it, or clear the store first.",
        1,
    ),
    NotJson: ErrorAnswer(
        415,
        "The body is not JSON",
        "not-json",
        "Send the body as JSON, with the header Content-Type: application/json.",
    ),
    BrokenJson: ErrorAnswer(400, "The JSON is broken", "broken-json"),
    TooFast: ErrorAnswer(
        429,
        "Too many requests",
        "too-fast",
        "Wait for the seconds of Retry-After; FANOUT_RATE_LIMIT sets the bound.",
    ),
    ForeignHost: ErrorAnswer(
        421,
        "This host name is not ours",
        "foreign-host",
        "Open the page by localhost or an IP address, or add the name to FANOUT_ALLOWED_HOSTS and"
        " restart.",
    ),
    ForeignOrigin: ErrorAnswer(
        403,
        "Only our own pages may do that",
        "foreign-origin",
        "Use the page itself, or a client that is no browser, such as curl.",
    ),
}
"""One row for each class of error."""


def answer_to(error: errors.FanoutError) -> ErrorAnswer:
    """The answer's row with the error's own sentence, and after it what to do next."""
    answer = ANSWERS[type(error)]
    return replace(answer, detail=f"{error.detail} {answer.advice}".rstrip())
