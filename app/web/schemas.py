"""Shapes of requests and answers. The library checks requests against them and documents both."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt

from app.domain.ids import MAX_ID
from app.domain.models import Comparison, Fanout, FanoutStatus, Feed, Kind, Post, Strategy, User
from app.services.control import FASTEST
from app.services.dead_letters import LIST_LIMIT as LETTERS_LIMIT
from app.services.dead_letters import letter_id
from app.services.users import LIST_LIMIT
from app.storage.job_records import DeadLetter
from app.storage.keys import MAX_USER_ID

UserId = Annotated[int, Field(ge=0, lt=MAX_USER_ID)]
PostId = Annotated[int, Field(ge=1, le=MAX_ID)]


class Request(BaseModel):
    """Base of all requests: unknown fields are refused, so a typing error does not pass."""

    model_config = ConfigDict(extra="forbid")

    @classmethod
    def model_json_schema(cls, *args: Any, **options: Any) -> dict[str, Any]:
        """As pydantic makes it. The library asks for it anew with every request, without
        arguments and only to read it; making it takes longer than all else in a page of posts."""
        if args or options:
            return super().model_json_schema(*args, **options)
        return _schema_to_read(cls)


@cache
def _schema_to_read(model: type[Request]) -> dict[str, Any]:
    return BaseModel.model_json_schema.__func__(model)  # type: ignore[attr-defined, no-any-return]


class PostBody(Request):
    """A post to be accepted."""

    author_id: Annotated[StrictInt, Field(ge=0, lt=MAX_USER_ID, examples=[1])]
    text: Annotated[str, Field(examples=["Hello, followers"])]
    strategy: Strategy = "hybrid"


class PostPath(Request):
    """A post's id."""

    post_id: PostId


class UserPath(Request):
    """A user's id."""

    user_id: UserId


class EdgePath(Request):
    """Who follows whom."""

    user_id: UserId
    followee_id: UserId


class FeedQuery(Request):
    """Which page of a feed, under which strategy."""

    strategy: Strategy = "hybrid"
    limit: Annotated[int, Field(ge=1, description="At most FANOUT_PAGE_LIMIT.")] = 20
    cursor: str | None = None


class CompareQuery(Request):
    """How many posts to compare."""

    limit: Annotated[int, Field(ge=1, description="At most FANOUT_PAGE_LIMIT.")] = 20


class UsersQuery(Request):
    """Which users to list."""

    kind: Kind | None = None
    limit: Annotated[int, Field(ge=1, le=LIST_LIMIT)] = 20


class WorkersBody(Request):
    """The experiment's controls. A field that is left out is reset to its default."""

    paused: StrictBool = False
    deliveries_per_second: Annotated[StrictInt, Field(ge=1, le=FASTEST)] | None = None


class LettersQuery(Request):
    """How many dead letters to list."""

    limit: Annotated[int, Field(ge=1, le=LETTERS_LIMIT)] = 100


class LetterPath(Request):
    """A dead letter."""

    letter_id: Annotated[str, Field(max_length=40, description="<shard>-<number>")]


class DatasetBody(Request):
    """The dataset to load; it replaces all users and posts."""

    preset: str = Field(examples=["small"])
    seed: Annotated[StrictInt, Field(ge=0, lt=2**53)] = 1


class PostOut(BaseModel):
    """A post."""

    id: int
    author_id: int
    text: str
    created_at: str
    strategy: Strategy


class FanoutOut(BaseModel):
    """A fan-out as it stands when the post is accepted."""

    status: FanoutStatus
    recipients: int
    status_url: str


class PublishedOut(BaseModel):
    """An accepted post."""

    post: PostOut
    fanout: FanoutOut


class FanoutState(BaseModel):
    """How far a post's deliveries have come."""

    post_id: int
    status: FanoutStatus
    recipients: int
    delivered: int
    skipped: int
    lag_ms: float | None


class TimingOut(BaseModel):
    """Milliseconds that a page took."""

    total: Annotated[float, Field(description="In this process, with its waits for the store.")]


class FeedOut(BaseModel):
    """A page of a feed."""

    items: list[PostOut]
    next_cursor: str | None
    strategy: Strategy
    source: Literal["timeline", "merge", "rebuild"]
    timing_ms: TimingOut
    commands: int
    round_trips: int


class CompareOut(BaseModel):
    """The same page under every strategy."""

    strategies: dict[Strategy, FeedOut]
    identical: bool


class UserOut(BaseModel):
    """A user."""

    id: int
    name: str
    kind: Kind
    followers: int
    following: int


class UsersOut(BaseModel):
    """Users."""

    users: list[UserOut]


class LetterOut(BaseModel):
    """A job that was put aside. `post_id` is the newest post it was to deliver."""

    id: str
    post_id: int
    author_id: int
    strategy: str
    recipients: int
    delivered: int
    tries: int
    reason: str


class LettersOut(BaseModel):
    """Dead letters, newest first."""

    dead_letters: list[LetterOut]


class WorkersOut(BaseModel):
    """What the workers are told."""

    paused: bool
    deliveries_per_second: int | None


class DatasetOut(BaseModel):
    """Which dataset is loaded, or how far the loading is."""

    preset: str | None
    seed: int
    status: Literal["empty", "loading", "ready", "failed"]
    percent: int
    waiting: bool
    users: int
    edges: int
    celebrity_from: int | None
    popular_from: int | None
    seconds: dict[str, float]
    error: str | None


class MetricsOut(BaseModel):
    """What the page polls. Times are in milliseconds, null where nothing was measured."""

    time_ms: int
    window_seconds: int
    processing: dict[str, Any]
    fanout: dict[str, Any]
    active_users: int
    queue: dict[str, Any]
    backpressure: dict[str, Any]
    hybrid: dict[str, Any]
    workers: dict[str, Any]
    store: dict[str, Any]
    dataset: dict[str, Any]


class Problem(BaseModel):
    """An error (RFC 9457). `detail` says what to do next."""

    type: str
    title: str
    status: int
    detail: str


def post_json(post: Post) -> dict[str, Any]:
    """A post as the API writes it."""
    return {
        "id": post.id,
        "author_id": post.author_id,
        "text": post.text,
        "created_at": post.created_at,
        "strategy": post.strategy,
    }


def fanout_json(fanout: Fanout) -> dict[str, Any]:
    """A fan-out's state as the API writes it."""
    return {
        "post_id": fanout.post_id,
        "status": fanout.status,
        "recipients": fanout.recipients,
        "delivered": fanout.delivered,
        "skipped": fanout.skipped,
        "lag_ms": fanout.lag_ms,
    }


def feed_json(feed: Feed) -> dict[str, Any]:
    """A page of a feed as the API writes it."""
    return {
        "items": [post_json(post) for post in feed.items],
        "next_cursor": feed.next_cursor,
        "strategy": feed.strategy,
        "source": feed.source,
        "timing_ms": feed.timing_ms,
        "commands": feed.commands,
        "round_trips": feed.round_trips,
    }


def comparison_json(comparison: Comparison) -> dict[str, Any]:
    """A comparison as the API writes it."""
    return {
        "strategies": {name: feed_json(feed) for name, feed in comparison.strategies.items()},
        "identical": comparison.identical,
    }


def user_json(user: User) -> dict[str, Any]:
    """A user as the API writes it."""
    return {
        "id": user.id,
        "name": user.name,
        "kind": user.kind,
        "followers": user.followers,
        "following": user.following,
    }


def letter_json(letter: DeadLetter) -> dict[str, Any]:
    """A dead letter as the API writes it."""
    return {
        "id": letter_id(letter),
        "post_id": letter.post_id,
        "author_id": letter.author_id,
        "strategy": letter.strategy,
        "recipients": letter.recipients,
        "delivered": letter.delivered,
        "tries": letter.fails,
        "reason": letter.reason,
    }
