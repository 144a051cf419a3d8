"""Shapes of requests, and of those answers that only the API has. `checking.py` checks requests
against them, flask-openapi documents both; other answers are the values of the layers beneath."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, StrictInt
from typing_extensions import TypedDict

from app.datasets.kinds import Kind
from app.datasets.presets import MAX_SEED, PRESETS
from app.datasets.users import LIST_LIMIT, User
from app.engine.ids import MAX_ID
from app.engine.models import FanoutStatus, Post, Strategy
from app.engine.store.control import MAX_DELIVERIES_PER_SECOND
from app.engine.store.dead_letters import LIST_LIMIT as DEAD_LETTERS_LIMIT
from app.engine.store.dead_letters import DeadLetter
from app.engine.store.keys import MAX_USER_ID

PAGE_LIMIT = "At most FANOUT_PAGE_LIMIT."
"""Where this describes a limit, the description gets the setting as its maximum."""
UserId = Annotated[int, Field(ge=0, lt=MAX_USER_ID)]
WHOLE = BeforeValidator(lambda v: int(v) if isinstance(v, float) and v.is_integer() else v)
"""1e3 and 1000.0 are whole numbers in JSON, as 1000 is."""
DeliveryRate = Annotated[StrictInt, Field(ge=1, le=MAX_DELIVERIES_PER_SECOND), WHOLE]


class Request(BaseModel):
    """Base of all requests: unknown fields are refused, so a typing error does not pass."""

    model_config = ConfigDict(extra="forbid")


class PostBody(Request):
    """A post to be accepted."""

    author_id: Annotated[StrictInt, Field(ge=0, lt=MAX_USER_ID, examples=[1]), WHOLE]
    text: Annotated[str, Field(examples=["Hello, followers"])]
    strategy: Strategy = "hybrid"


class PostPath(Request):
    """A post's id."""

    post_id: Annotated[int, Field(ge=1, le=MAX_ID)]


class UserPath(Request):
    """A user's id."""

    user_id: UserId


class EdgePath(UserPath):
    """Who follows whom."""

    author_id: UserId


class CompareQuery(Request):
    """How many posts to compare."""

    limit: Annotated[int, Field(ge=1, description=PAGE_LIMIT)] = 20


class FeedQuery(CompareQuery):
    """Which page of a feed, under which strategy."""

    strategy: Strategy = "hybrid"
    cursor: str | None = None


class UsersQuery(Request):
    """Which users to list."""

    kind: Kind | None = None
    limit: Annotated[int, Field(ge=1, le=LIST_LIMIT)] = 20


class WorkersBody(Request):
    """The experiment's controls. A field that is left out is reset to its default."""

    paused: StrictBool = False
    deliveries_per_second: DeliveryRate | None = None


class DeadLettersQuery(Request):
    """How many dead letters to list."""

    limit: Annotated[int, Field(ge=1, le=DEAD_LETTERS_LIMIT)] = 100


class DeadLetterPath(Request):
    """A dead letter."""

    dead_letter_id: Annotated[str, Field(max_length=40, description="<shard>-<number>")]


class DatasetBody(Request):
    """The dataset to load; it replaces all users and posts."""

    preset: Annotated[str, Field(examples=["small"], json_schema_extra={"enum": [*PRESETS]})]
    seed: Annotated[StrictInt, Field(ge=0, le=MAX_SEED), WHOLE] = 1


class Accepted(TypedDict):
    """A fan-out as it stands when the post is accepted."""

    status: FanoutStatus
    recipients: int
    status_url: str


class Published(TypedDict):
    """An accepted post."""

    post: Post
    fanout: Accepted


class UserList(TypedDict):
    """Users."""

    users: Sequence[User]


class DeadLetterList(TypedDict):
    """Dead letters, newest first."""

    dead_letters: list[DeadLetter]


class Problem(BaseModel):
    """An error (RFC 9457). `detail` says what to do next."""

    type: str
    title: str
    status: int
    detail: str
