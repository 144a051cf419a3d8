"""What the web tells of each error: HTTP status, title, slug, Retry-After and what to do next."""

from dataclasses import dataclass, replace

from app.datasets.loads import Busy
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
class Answer:
    """An error as problem+json and pages show it.

    `slug` ends the address of its type; without one the error means no more than its status says,
    for which RFC 9457 has the type `about:blank`. `retry_after` is in seconds.
    """

    status: int
    title: str
    slug: str = ""
    retry_after: int | None = None
    detail: str = ""


ANSWERS = {
    errors.FanoutError: Answer(500, "Something went wrong", "internal"),
    errors.BadRequest: Answer(422, "The request has invalid fields", "invalid-fields"),
    errors.BadText: Answer(422, "The text cannot be posted", "bad-text"),
    errors.BadCursor: Answer(400, "The cursor is not valid", "bad-cursor"),
    errors.UnknownUser: Answer(404, "There is no such user", "unknown-user"),
    errors.UnknownPost: Answer(404, "There is no such post", "unknown-post"),
    errors.UnknownDeadLetter: Answer(404, "There is no such dead letter", "unknown-dead-letter"),
    errors.SelfFollow: Answer(409, "Nobody follows themselves", "self-follow"),
    Busy: Answer(409, "Something else is under way", "busy"),
    errors.KeyReused: Answer(422, "The Idempotency-Key was used for another post", "key-reused"),
    errors.Overloaded: Answer(503, "The backlog is full", "overloaded", retry_after=2),
    errors.StoreDown: Answer(503, "The store does not answer", "store-down", retry_after=1),
    errors.NoAnswer: Answer(503, "The store did not answer in time", "store-silent", retry_after=1),
    errors.StoreFull: Answer(503, "The store takes no writes", "store-full", retry_after=5),
    errors.WrongShards: Answer(
        503, "The store does not fit the settings", "wrong-shards", retry_after=1
    ),
    NotJson: Answer(415, "The body is not JSON", "not-json"),
    BrokenJson: Answer(400, "The JSON is broken", "broken-json"),
    TooFast: Answer(429, "Too many requests", "too-fast"),
    ForeignHost: Answer(421, "This host name is not ours", "foreign-host"),
    ForeignOrigin: Answer(403, "Only our own pages may do that", "foreign-origin"),
}
"""One row for each class of error."""

ADVICE: dict[type[errors.FanoutError], str] = {
    errors.BadText: "Change it and try again.",
    errors.BadCursor: "Send `next_cursor` of the page before, unchanged, or no cursor.",
    errors.UnknownUser: "GET /api/users lists some.",
    errors.UnknownPost: "GET /api/feed/<user> lists a user's posts.",
    errors.UnknownDeadLetter: "GET /api/dead-letters lists all.",
    errors.SelfFollow: "Name another user.",
    Busy: "Wait until it is ready, then ask again.",
    errors.KeyReused: "Use a new key for a new post.",
    errors.Overloaded: "Try again in a moment, or start more workers.",
    errors.StoreDown: "Run ./status.sh, then try again.",
    errors.NoAnswer: "Look before you ask again. A post can be repeated safely with the same"
    " Idempotency-Key: it is accepted once only. ./status.sh tells how Redis is.",
    errors.StoreFull: "Raise its maxmemory, or make space on its disk, then try again; its log"
    " tells more.",
    errors.WrongShards: "Start with FANOUT_SHARDS as the data has it, or clear the store first.",
    NotJson: "Send the body as JSON, with the header Content-Type: application/json.",
    TooFast: "Wait for the seconds of Retry-After; FANOUT_RATE_LIMIT sets the bound.",
    ForeignHost: "Open the page by localhost or an IP address, or add the name to"
    " FANOUT_ALLOWED_HOSTS and restart.",
    ForeignOrigin: "Use the page itself, or a client that is no browser, such as curl.",
}
"""What to do next, where the error's own sentence does not say it."""


def answer_to(error: errors.FanoutError) -> Answer:
    """The answer's row with the error's own sentence, and after it what to do next."""
    kind = type(error)
    return replace(ANSWERS[kind], detail=f"{error.detail} {ADVICE.get(kind, '')}".rstrip())
