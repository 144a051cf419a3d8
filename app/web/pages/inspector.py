"""The keys of the last post and the last read, and the recorded commands of one read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from app.bootstrap import Services
from app.datasets.users import User
from app.engine import Engine
from app.engine.ids import shard_of_post
from app.engine.models import Post
from app.engine.store.client import Store
from app.engine.store.inspection import key_lengths
from app.web.pages.formatting import STRATEGY_TEXTS
from app.web.pages.recorded_commands import RecordingStore, shown

PAGE = 8
SHARDS_SHOWN = 3
"""Of the keys that an author has on every shard, only these are listed."""


class Key(NamedTuple):
    """One key: `length` are elements of a collection or bytes of a string; None when not there."""

    name: str
    type: str
    content: str
    length: int | None = None


class Copyable(NamedTuple):
    """A line to paste into a shell."""

    text: str
    label: str


@dataclass(frozen=True, slots=True)
class Part:
    """A heading with its keys and lines."""

    title: str
    text: str
    lines: list[Copyable]
    keys: list[Key] = field(default_factory=list)


def parts(services: Services, post: Post | None, reader: User | None, base: str) -> list[Part]:
    """What to show for a post and a reader; `base` is the page's own address."""
    found = [_post(services, post, base)] if post else []
    if reader:
        found += [_read(services, reader, base), _recorded(services, reader)]
    return found


def _post(services: Services, post: Post, base: str) -> Part:
    store, author, home = services.engine.store, post.author_id, shard_of_post(post.id)
    keys, listed = store.keys, min(store.shards, SHARDS_SHOWN)
    wanted = [
        Key(keys.post(post.id), "string", "the body of the post"),
        Key(keys.log(author), "list", "the author's post ids, newest first"),
        Key(keys.jobs(home), "stream", "fan-out jobs not yet finished"),
        Key(keys.job(post.id), "hash", "how far the fan-out came"),
    ]
    for shard in range(listed):
        text = f"the author's followers on shard {shard}"
        wanted.append(Key(keys.followers(shard, author), "list", text))
    body = f'{{"author_id": {author}, "text": "Hello", "strategy": "{post.strategy}"}}'
    posting = f"curl -s -X POST {base}/api/posts -H 'Content-Type: application/json' -d '{body}'"
    return Part(
        "The last post",
        f"Post {post.id} lives on shard {home}, where its author lives: {author} mod "
        f"{store.shards}. The followers are kept where they live, so a delivery never crosses "
        f"shards; the keys of the first {listed} shards are listed.",
        [
            Copyable(posting, "curl line that posts"),
            Copyable(f"curl -s {base}/api/posts/{post.id}/fanout", "curl line for the fan-out"),
            _list_line(services, keys.log(author), "log"),
        ],
        _look_up(store, wanted),
    )


def _read(services: Services, reader: User, base: str) -> Part:
    store = services.engine.store
    timeline = store.keys.timeline(reader.id)
    wanted = [
        Key(timeline, "list", "post ids, newest first"),
        Key(store.keys.following(reader.id), "set", "whom the reader follows"),
    ]
    feed = f"curl -s '{base}/api/feed/{reader.id}?strategy=write&limit={PAGE}'"
    comparison = f"curl -s '{base}/api/compare/{reader.id}?limit={PAGE}'"
    return Part(
        "The last read",
        f"{reader.name} is user {reader.id} and lives on shard {store.keys.shard(reader.id)}.",
        [
            Copyable(feed, "curl line for the feed"),
            Copyable(comparison, "curl line for the comparison"),
            _list_line(services, timeline, "timeline"),
        ],
        _look_up(store, wanted),
    )


def _recorded(services: Services, reader: User) -> Part:
    """Reads the feed by push and by pull, and keeps what was sent."""
    lines = []
    for strategy in STRATEGY_TEXTS[:2]:
        recorded = RecordingStore(services.engine.store)
        Engine(services.settings, recorded).feed(reader.id, strategy.key, PAGE)
        label = f"commands of one read by {strategy.name.lower()}"
        lines.append(Copyable("\n".join(recorded.recorded), label))
    return Part(
        "The commands of one read",
        "Commands sent by write fan-out, then by read fan-out. They were recorded a moment ago. "
        "Long argument lists are cut.",
        lines,
    )


def _look_up(store: Store, wanted: list[Key]) -> list[Key]:
    """The keys with their lengths."""
    lengths = key_lengths(store, [(key.name, key.type) for key in wanted])
    return [
        key._replace(length=length, type="not there" if length is None else key.type)
        for key, length in zip(wanted, lengths, strict=True)
    ]


def _list_line(services: Services, key: str, name: str) -> Copyable:
    """Shows a list by redis-cli; a store's address that may contain a password is not shown."""
    url = services.settings.store_url
    cluster = " -c" if services.engine.store.is_cluster else ""
    address = '"$REDIS_URL"' if "@" in url else url
    line = f"redis-cli{cluster} -u {address} LRANGE {shown((key,))} 0 9"
    return Copyable(line, f"redis-cli line for the {name}")
