"""The engine's settings: names, defaults, bounds and what each does."""

from typing import Annotated, Literal, Self

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, model_validator

MAX_ITERATION_DELIVERIES = 100_000
"""Deliveries of one worker iteration: half a second on a slow server, half a lease time-out."""

Positive = Annotated[int, Field(ge=1)]
NotNegative = Annotated[int, Field(ge=0)]


class EngineSettings(BaseModel):
    """What one engine runs with. All processes on the same data need the same `key_prefix` and
    `shards`. Raises `pydantic.ValidationError` for values that do not go together. `AliasChoices`
    name a renamed setting: the older name counts where the present one is not set."""

    model_config = ConfigDict(
        frozen=True, validate_by_name=True, extra="forbid", use_attribute_docstrings=True
    )

    key_prefix: str = Field("fanout:", pattern=r"^[A-Za-z0-9:._/-]{1,32}$")
    """What all names of this installation in the store begin with; nothing else there is touched.
    Part of the data. No installation's may begin with another's."""
    shards: int = Field(8, ge=1, le=256)
    """Hash tags that the users are spread over (1-256). Part of the data: fixed once seeded."""
    store_timeout: float = Field(1.0, ge=0.05, allow_inf_nan=False)
    """Seconds a call to the store may take."""
    timeline_cap: int = Field(800, ge=1, le=20_000)
    """Posts kept in a timeline (at most 20,000); older ones come from the logs."""
    timeline_slack: int = Field(100, ge=0, le=20_000)
    """How far a timeline may pass its cap before it is trimmed; trimming each push is slow."""
    timeline_ttl: Positive = 604_800
    """Seconds after the last read until a dormant reader's timeline expires."""
    log_cap: int = Field(10_000, ge=1, le=100_000)
    """Posts kept for an author (at most 100,000); the oldest is removed beyond it."""
    text_limit: Positive = 500
    """Characters of a post, as people count them (graphemes)."""
    page_limit: int = Field(100, ge=1, le=1_000)
    """Most posts in one page of a feed (at most 1,000)."""
    following_limit: int = Field(10_000, ge=1, le=50_000)
    """People that one user may follow (at most 50,000)."""
    chunk: int = Field(500, ge=1, le=4_000)
    """Followers that one transaction or server function delivers to (at most 4,000)."""
    chunk_while_read: Positive = 50
    """The same while pages are being read, so that readers wait for one or two of them only."""
    chunks_in_flight: Positive = 32
    """Chunks of FANOUT_CHUNK followers in a worker's iteration; two are under way."""
    open_jobs: Positive = 64
    """Jobs that one worker keeps open at once, a chunk per iteration."""
    hybrid_rule: Literal["cost", "followers"] = Field("cost", validation_alias="FANOUT_HYBRID")
    """How hybrid chooses: `cost` compares measured costs, `followers` is a fixed threshold."""
    celebrity_followers: Positive = 10_000
    """Hybrid by followers, or before costs are known: pull from so many followers on."""
    large_author_followers: Positive = Field(
        1_000,
        validation_alias=AliasChoices("FANOUT_LARGE_AUTHOR_FOLLOWERS", "FANOUT_HOLD_FOLLOWERS"),
    )
    """Followers of a large author: deferred over the high mark, and hybrid may pull them."""
    log_cache_ms: NotNegative = 500
    """Hybrid: milliseconds for which a process keeps the logs of pulled authors."""
    pulled_authors_cache_ms: NotNegative = Field(
        100,
        validation_alias=AliasChoices("FANOUT_PULLED_AUTHORS_CACHE_MS", "FANOUT_PULLERS_CACHE_MS"),
    )
    """Milliseconds for which a process may use its copy of the list of pulled authors."""
    web_workers: Positive = 2
    """Processes that serve feeds; each has its own copies of those logs."""
    backlog_low: NotNegative = 25_000
    """Deliveries of a shard's backlog at which deferring ends."""
    backlog_high: Positive = 100_000
    """Deliveries of a shard's backlog from which large authors' posts are deferred."""
    backlog_limit: Positive = 600_000
    """Deliveries that a shard's backlog never passes; posts beyond it are refused."""

    @model_validator(mode="after")
    def _go_together(self) -> Self:
        if not self.backlog_low < self.backlog_high <= self.backlog_limit:
            raise ValueError(
                "FANOUT_BACKLOG_LOW < FANOUT_BACKLOG_HIGH <= FANOUT_BACKLOG_LIMIT must hold."
            )
        if self.large_author_followers > self.backlog_limit:
            raise ValueError(
                "FANOUT_LARGE_AUTHOR_FOLLOWERS must be at most FANOUT_BACKLOG_LIMIT: posts of"
                " authors between the two would be refused for ever."
            )
        if self.chunk * self.chunks_in_flight > MAX_ITERATION_DELIVERIES:
            raise ValueError(
                "FANOUT_CHUNK * FANOUT_CHUNKS_IN_FLIGHT must be at most"
                f" {MAX_ITERATION_DELIVERIES}: a longer iteration delays heartbeats too much."
            )
        return self
