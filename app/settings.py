"""Every setting in one table: name, type, default and help.

The table feeds the code, the README and the status page; a test fails when one of them lacks a row.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

DATASETS = ("small", "medium", "large", "huge", "none")
MOST_IN_AN_ITERATION = 100_000
"""Deliveries of one worker iteration: half a second on a slow server. Jobs without a heartbeat for
a second are reclaimed."""


RENAMED = {
    "FANOUT_LARGE_AUTHOR_FOLLOWERS": "FANOUT_HOLD_FOLLOWERS",
    "FANOUT_PULLED_AUTHORS_CACHE_MS": "FANOUT_PULLERS_CACHE_MS",
}
"""Old names that a user's .env may contain. An old name counts where the new one is not set."""


class BadSetting(ValueError):
    """An environment variable has a value that the setting cannot take."""


def _setting(
    env: str, default: Any, help_text: str, *, low: float = -math.inf, high: float = math.inf
) -> Any:
    return field(
        default=default, metadata={"env": env, "help": help_text, "low": low, "high": high}
    )


@dataclass(frozen=True, slots=True)
class Settings:
    """The values one process runs with. Build it with `Settings.from_env`."""

    port: int = _setting("PORT", 8080, "Port of the web pages and the API.", low=1, high=65_535)
    allowed_hosts: str = _setting(
        "FANOUT_ALLOWED_HOSTS",
        "",
        "Host names, comma-separated, that may serve the page besides localhost and IP addresses;"
        " * allows all. Stops other sites from reaching it by DNS rebinding.",
    )
    redis_url: str = _setting(
        "REDIS_URL",
        "",
        "Your own Redis/Valkey server or any node of a Cluster; empty: localhost:REDIS_PORT.",
    )
    redis_port: int = _setting(
        "REDIS_PORT", 6379, "Port of the store on this machine.", low=1, high=65_535
    )
    key_prefix: str = _setting(
        "FANOUT_KEY_PREFIX",
        "fanout:",
        "What all names of this installation in the store begin with; nothing else there is"
        " touched. Part of the data. No installation's may begin with another's.",
    )
    owns_store: int = _setting(
        "FANOUT_OWNS_STORE",
        0,
        "1 where start.sh or Compose brought the server: an empty store is then seeded by itself;"
        " otherwise it waits for `flask seed`.",
        low=0,
        high=1,
    )
    shards: int = _setting(
        "FANOUT_SHARDS",
        8,
        "Hash tags that the users are spread over (1-256). Part of the data: fixed once seeded.",
        low=1,
        high=256,
    )
    timeline_cap: int = _setting(
        "FANOUT_TIMELINE_CAP",
        800,
        "Posts kept in a timeline (at most 20,000); older ones come from the logs.",
        low=1,
        high=20_000,
    )
    timeline_slack: int = _setting(
        "FANOUT_TIMELINE_SLACK",
        100,
        "How far a timeline may pass its cap before it is trimmed; trimming each push is slow.",
        low=0,
        high=20_000,
    )
    timeline_ttl: int = _setting(
        "FANOUT_TIMELINE_TTL",
        604_800,
        "Seconds after the last read until a dormant reader's timeline expires.",
        low=1,
    )
    log_cap: int = _setting(
        "FANOUT_LOG_CAP",
        10_000,
        "Posts kept for an author (at most 100,000); the oldest is removed beyond it.",
        low=1,
        high=100_000,
    )
    text_limit: int = _setting(
        "FANOUT_TEXT_LIMIT", 500, "Characters of a post, as people count them (graphemes).", low=1
    )
    page_limit: int = _setting(
        "FANOUT_PAGE_LIMIT",
        100,
        "Most posts in one page of a feed (at most 1,000).",
        low=1,
        high=1_000,
    )
    body_limit: int = _setting(
        "FANOUT_BODY_LIMIT", 65_536, "Bytes of a request body; larger ones get 413.", low=1_024
    )
    rate_limit: str = _setting(
        "FANOUT_RATE_LIMIT",
        "6000/minute",
        "Changes (posts, follows, controls) that one client may make; `none` switches it off.",
    )
    chunk: int = _setting(
        "FANOUT_CHUNK",
        500,
        "Followers that one script call delivers to (at most 4,000).",
        low=1,
        high=4_000,
    )
    chunk_while_read: int = _setting(
        "FANOUT_CHUNK_WHILE_READ",
        50,
        "The same while pages are being read, so that readers wait for a call or two only.",
        low=1,
    )
    chunks_in_flight: int = _setting(
        "FANOUT_CHUNKS_IN_FLIGHT",
        16,
        "Calls of FANOUT_CHUNK followers in a worker's iteration; two at a time are under way.",
        low=1,
    )
    open_jobs: int = _setting(
        "FANOUT_OPEN_JOBS",
        64,
        "Jobs that one worker keeps open at once, a chunk per iteration.",
        low=1,
    )
    hybrid_rule: str = _setting(
        "FANOUT_HYBRID",
        "cost",
        "How hybrid chooses: `cost` compares measured costs, `followers` is a fixed threshold.",
    )
    celebrity_followers: int = _setting(
        "FANOUT_CELEBRITY_FOLLOWERS",
        10_000,
        "Hybrid by followers, or before costs are known: pull from so many followers on.",
        low=1,
    )
    log_cache_ms: int = _setting(
        "FANOUT_LOG_CACHE_MS",
        500,
        "Hybrid: milliseconds for which a web process keeps the logs of pulled authors.",
        low=0,
    )
    backlog_low: int = _setting(
        "FANOUT_BACKLOG_LOW",
        25_000,
        "Deliveries of a shard's backlog at which deferring ends.",
        low=0,
    )
    backlog_high: int = _setting(
        "FANOUT_BACKLOG_HIGH",
        100_000,
        "Deliveries of a shard's backlog from which large authors' posts are deferred.",
        low=1,
    )
    backlog_limit: int = _setting(
        "FANOUT_BACKLOG_LIMIT",
        600_000,
        "Deliveries that a shard's backlog never passes; posts beyond it get 503.",
        low=1,
    )
    large_author_followers: int = _setting(
        "FANOUT_LARGE_AUTHOR_FOLLOWERS",
        1_000,
        "Followers of a large author: deferred over the high mark, and hybrid may pull them.",
        low=1,
    )
    following_limit: int = _setting(
        "FANOUT_FOLLOWING_LIMIT",
        10_000,
        "People that one user may follow (at most 50,000).",
        low=1,
        high=50_000,
    )
    pulled_authors_cache_ms: int = _setting(
        "FANOUT_PULLED_AUTHORS_CACHE_MS",
        100,
        "Milliseconds for which a web process may use its copy of the list of pulled authors.",
        low=0,
    )
    web_workers: int = _setting(
        "FANOUT_WEB_WORKERS", 2, "Web processes that gunicorn keeps.", low=1
    )
    web_threads: int = _setting(
        "FANOUT_WEB_THREADS", 8, "Requests that one web process answers at once.", low=1
    )
    store_timeout: float = _setting(
        "FANOUT_STORE_TIMEOUT", 1.0, "Seconds a call to the store may take.", low=0.05
    )
    dataset: str = _setting(
        "FANOUT_DATASET",
        "medium",
        "Preset that an empty store is seeded with: small, medium, large, huge or none.",
    )
    seed: int = _setting("FANOUT_SEED", 1, "Seed of the generated dataset.", low=0)

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Settings:
        """Read the table from environment variables.

        Raises `BadSetting` with the variable's name, its value and what it needs.
        """
        values: dict[str, Any] = {}
        for spec in fields(cls):
            raw = given(spec.metadata["env"], environ)
            if raw:
                about = spec.metadata
                values[spec.name] = _parse(
                    about["env"], raw, spec.default, about["low"], about["high"]
                )
        settings = cls(**values)
        settings._check()
        return settings

    def _check(self) -> None:
        for fulfilled, demand in _DEMANDS:
            if not fulfilled(self):
                raise BadSetting(demand)

    @property
    def store_url(self) -> str:
        """The URL of the store, whichever of the two settings names it."""
        return self.redis_url or f"redis://127.0.0.1:{self.redis_port}/0"


_DEMANDS: tuple[tuple[Callable[[Settings], object], str], ...] = (
    (
        lambda its: re.fullmatch(r"[A-Za-z0-9:._/-]{1,32}", its.key_prefix),
        "FANOUT_KEY_PREFIX must be 1 to 32 of these characters: letters, digits, and : . _ / -",
    ),
    (
        lambda its: its.dataset in DATASETS,
        f"FANOUT_DATASET must be one of: {', '.join(DATASETS)}.",
    ),
    (
        lambda its: its.hybrid_rule in ("cost", "followers"),
        "FANOUT_HYBRID must be `cost` or `followers`.",
    ),
    (
        lambda its: its.backlog_low < its.backlog_high <= its.backlog_limit,
        "FANOUT_BACKLOG_LOW < FANOUT_BACKLOG_HIGH <= FANOUT_BACKLOG_LIMIT must hold.",
    ),
    (
        lambda its: its.large_author_followers <= its.backlog_limit,
        "FANOUT_LARGE_AUTHOR_FOLLOWERS must be at most FANOUT_BACKLOG_LIMIT: posts of authors"
        " between the two would be refused for ever.",
    ),
    (
        lambda its: its.chunk * its.chunks_in_flight <= MOST_IN_AN_ITERATION,
        f"FANOUT_CHUNK * FANOUT_CHUNKS_IN_FLIGHT must be at most {MOST_IN_AN_ITERATION}: a longer"
        " iteration delays a worker's heartbeats too much.",
    ),
    (
        lambda its: its.text_limit < its.body_limit,
        "FANOUT_TEXT_LIMIT must be below FANOUT_BODY_LIMIT: no request could carry such a text.",
    ),
)
"""What the settings must fulfil beyond each one's bounds, and what to say otherwise."""


def given(env: str, environ: Mapping[str, str]) -> str:
    """What the environment sets a variable to, also by its old name; empty when it is not set."""
    return environ.get(env, "").strip() or environ.get(RENAMED.get(env, ""), "").strip()


def _parse(env: str, raw: str, default: Any, low: float, high: float) -> Any:
    if isinstance(default, str):
        return raw
    try:
        value = type(default)(raw)
    except ValueError:
        wanted = "a whole number" if isinstance(default, int) else "a number"
        raise BadSetting(f"{env}={raw!r} is not {wanted}; its default is {default}.") from None
    if not value >= low:  # nan is neither
        raise BadSetting(f"{env}={raw} is too small; the least is {low:g}.")
    if not value <= high:
        raise BadSetting(f"{env}={raw} is too large; the most is {high}.")
    return value


def table() -> list[dict[str, Any]]:
    """Rows of the settings table: `name`, `env`, `default`, `help`."""
    return [
        {
            "name": spec.name,
            "env": spec.metadata["env"],
            "default": spec.default,
            "help": spec.metadata["help"],
        }
        for spec in fields(Settings)
    ]
