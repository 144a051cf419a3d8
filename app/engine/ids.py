"""Post ids: 53 bits that order by time and tell their shard.

    41 bits  milliseconds since EPOCH_MS (lasts until 2095)
     8 bits  shard
     4 bits  sequence within the millisecond

53 bits are exact in Lua's and JavaScript's doubles and so in JSON. The author's shard allocates
ids as max(last + 1, now) in `10_common.lua`, so a clock that jumps back cannot repeat one.
The layout follows Twitter's Snowflake (2010), with fewer bits.
"""

from datetime import UTC, datetime
from functools import lru_cache

EPOCH_MS = 1_767_225_600_000
"""2026-01-01T00:00:00Z. `10_common.lua` has the same figure; a test compares the two."""

MAX_ID = 2**53 - 1


def shard_of_post(post_id: int) -> int:
    """The shard that allocated the id: its author's."""
    return post_id >> 4 & 0xFF


def millis_of(post_id: int) -> int:
    """Unix time in milliseconds at which the id was allocated."""
    return (post_id >> 12) + EPOCH_MS


@lru_cache(maxsize=16_384)
def created_at(post_id: int) -> str:
    """The id's time as ISO 8601 in UTC with milliseconds. Many pages ask for the same ones."""
    seconds, millis = divmod(millis_of(post_id), 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{millis:03}Z"
