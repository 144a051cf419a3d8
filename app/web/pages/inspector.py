"""The keys of the last post and the last read, and the recorded commands of one read."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from app.bootstrap import Services
from app.datasets.users import User
from app.engine import Engine
from app.engine.ids import shard_of_post
from app.engine.models import Post
from app.engine.store.client import Store
from app.web.pages.recorded_commands import RecordingStore, shown

PAGE = 8
SHARDS_SHOWN = 3
"""Of the keys that an author has on every shard, only these are listed."""


@dataclass(frozen=True, slots=True)
class Key:
    """One key: `length` are elements of a collection or bytes of a string; None when not there."""

    name: str
    type: str
    content: str
    length: int | None


@dataclass(frozen=True, slots=True)
class Copyable:
    """A line to paste into a shell."""

    text: str
    label: str


@dataclass(frozen=True, slots=True)
class Part:
    """A heading with its keys and lines."""

    title: str
    text: str
    keys: list[Key] = field(default_factory=list)
    lines: list[Copyable] = field(default_factory=list)


def parts(services: Services, post: Post | None, reader: User | None, base: str) -> list[Part]:
    """What to show for a post and a reader; `base` is the page's own address."""
    found = []
    if post:
        found.append(_post(services, post, base))
    if reader:
        found.append(_read(services, reader, base))
        found.append(_recorded(services, reader))
    return found


def _post(services: Services, post: Post, base: str) -> Part:
    store, author = services.engine.store, post.author_id
    keys = store.keys
    home = shard_of_post(post.id)
    wanted = [
        (keys.post(post.id), "the body of the post", "STRLEN"),
        (keys.log(author), "the author's post ids, newest first", "LLEN"),
        (keys.jobs(home), "fan-out jobs not yet finished", "XLEN"),
        (keys.job(post.id), "how far the fan-out came", "HLEN"),
        *(
            (keys.followers(shard, author), f"the author's followers on shard {shard}", "LLEN")
            for shard in range(min(store.shards, SHARDS_SHOWN))
        ),
    ]
    body = f'{{"author_id": {author}, "text": "Hello", "strategy": "{post.strategy}"}}'
    return Part(
        "The last post",
        f"Post {post.id} lives on shard {home}, where its author lives: {author} mod "
        f"{store.shards}. The followers are kept where they live, so a delivery never crosses "
        f"shards; the keys of the first {min(store.shards, SHARDS_SHOWN)} shards are listed.",
        _look_up(store, wanted),
        [
            Copyable(
                f"curl -s -X POST {base}/api/posts -H 'Content-Type: application/json' -d '{body}'",
                "curl line that posts",
            ),
            Copyable(f"curl -s {base}/api/posts/{post.id}/fanout", "curl line for the fan-out"),
            Copyable(
                f"{_cli(services)} LRANGE {shown((keys.log(author),))} 0 9",
                "redis-cli line for the log",
            ),
        ],
    )


def _read(services: Services, reader: User, base: str) -> Part:
    store = services.engine.store
    timeline = store.keys.timeline(reader.id)
    wanted = [
        (timeline, "post ids, newest first", "LLEN"),
        (store.keys.following(reader.id), "whom the reader follows", "SCARD"),
    ]
    return Part(
        "The last read",
        f"{reader.name} is user {reader.id} and lives on shard {store.keys.shard(reader.id)}.",
        _look_up(store, wanted),
        [
            Copyable(
                f"curl -s '{base}/api/feed/{reader.id}?strategy=write&limit={PAGE}'",
                "curl line for the feed",
            ),
            Copyable(
                f"curl -s '{base}/api/compare/{reader.id}?limit={PAGE}'",
                "curl line for the comparison",
            ),
            Copyable(
                f"{_cli(services)} LRANGE {shown((timeline,))} 0 9",
                "redis-cli line for the timeline",
            ),
        ],
    )


def _recorded(services: Services, reader: User) -> Part:
    """Reads the feed by push and by pull, and keeps what was sent."""
    lines = []
    for strategy, label in (("write", "by write fan-out"), ("read", "by read fan-out")):
        recorded = RecordingStore(services.engine.store)
        Engine(services.settings, recorded).feed(
            reader.id, "write" if strategy == "write" else "read", PAGE
        )
        lines.append(Copyable("\n".join(recorded.recorded), f"commands of one read {label}"))
    return Part(
        "The commands of one read",
        "Commands sent by write fan-out, then by read fan-out. They were recorded a moment ago. "
        "Long argument lists are cut.",
        [],
        lines,
    )


def _look_up(store: Store, wanted: list[tuple[str, str, str]]) -> list[Key]:
    """Type and length of each key, in one round trip."""
    batch = store.batch()
    for name, _, measure in wanted:
        batch.add("TYPE", name)
        batch.add(measure, name)
    replies = batch.run(raise_errors=False)
    found = []
    for index, (name, content, _) in enumerate(wanted):
        kind, length = replies[2 * index], replies[2 * index + 1]
        text = kind.decode() if isinstance(kind, bytes) else str(kind)
        found.append(Key(name, text, content, length if isinstance(length, int) else None))
    return [
        replace(key, type="not there", length=None) if key.type == "none" else key for key in found
    ]


def _cli(services: Services) -> str:
    """How redis-cli reaches the store; an address that may contain a password is not shown."""
    url = services.settings.store_url
    cluster = " -c" if services.engine.store.is_cluster else ""
    return (
        f"redis-cli{cluster} -u {url}" if "@" not in url else f'redis-cli{cluster} -u "$REDIS_URL"'
    )
