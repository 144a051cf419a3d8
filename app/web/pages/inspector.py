"""The keys of the last post and the last read, and the recorded commands of one read."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from app.bootstrap import Services
from app.datasets.users import User
from app.engine import Engine
from app.engine.ids import shard_of_post
from app.engine.models import Post, Strategy
from app.engine.store.client import Store
from app.engine.store.inspection import key_lengths
from app.engine.store.pipelining import Command

PAGE = 8
"""Posts of the read whose commands are recorded."""
SHARDS_SHOWN = 3
"""Of the keys that an author has on every shard, only these are listed."""
COMMAND_LENGTH_SHOWN = 110
"""Characters; a merge names hundreds of authors in one command."""
RECORDED: tuple[Strategy, ...] = ("write", "read")


class Key(NamedTuple):
    """One key: `length` are elements of a collection or bytes of a string; None when not there."""

    name: str
    type: str
    content: str
    length: int | None = None


def inspect(services: Services, post: Post | None, reader: User | None) -> dict[str, Any] | None:
    """What to show for a post and a reader; None without both. Reads the reader's feed by push and
    by pull, to record the commands. Raises `StoreDown`."""
    if not post and not reader:
        return None
    store, url = services.engine.store, services.settings.store_url
    cluster, address = " -c" if store.is_cluster else "", '"$REDIS_URL"' if "@" in url else url
    return {
        "post": post,
        "reader": reader,
        "post_keys": _keys_of_post(store, post) if post else [],
        "read_keys": _keys_of_reader(store, reader) if reader else [],
        "commands": {way: _commands(services, reader, way) for way in RECORDED} if reader else {},
        "redis_cli": f"redis-cli{cluster} -u {address}",  # never an address with a password
    }


def _keys_of_post(store: Store, post: Post) -> list[Key]:
    keys, author, shards = store.keys, post.author_id, range(store.shards)[:SHARDS_SHOWN]
    followers = "the author's followers on shard"
    return _with_lengths(
        store,
        Key(keys.post(post.id), "string", "the body of the post"),
        Key(keys.log(author), "list", "the author's post ids, newest first"),
        Key(keys.jobs(shard_of_post(post.id)), "stream", "fan-out jobs not yet finished"),
        Key(keys.job(post.id), "hash", "how far the fan-out came"),
        *(Key(keys.followers(shard, author), "list", f"{followers} {shard}") for shard in shards),
    )


def _keys_of_reader(store: Store, reader: User) -> list[Key]:
    timeline = Key(store.keys.timeline(reader.id), "list", "post ids, newest first")
    following = Key(store.keys.following(reader.id), "set", "whom the reader follows")
    return _with_lengths(store, timeline, following)


def _with_lengths(store: Store, *keys: Key) -> list[Key]:
    lengths = key_lengths(store, [(key.name, key.type) for key in keys])
    return [
        key._replace(length=length, type="not there" if length is None else key.type)
        for key, length in zip(keys, lengths, strict=True)
    ]


def _commands(services: Services, reader: User, strategy: Strategy) -> str:
    recording = RecordingStore(services.engine.store)
    Engine(services.settings, recording).feed(reader.id, strategy, PAGE)
    return "\n".join(recording.recorded)


class RecordingStore(Store):
    """A store that shares another one's connections and keeps what goes through it."""

    def __init__(self, inner: Store) -> None:
        super().__init__(lambda: inner.redis, inner.keys, lua=inner.lua)
        self.recorded: list[str] = []

    def run(self, commands: Sequence[Command], *args: Any, **options: Any) -> list[Any]:
        """Keeps the commands and sends them."""
        if self.meter.cost is not None:  # what is sent for all requests belongs to none of them
            self.recorded += map(shown, commands)
        return super().run(commands, *args, **options)


def shown(command: Command) -> str:
    """A command as redis-cli would take it, cut where it is long."""
    words = []
    for word in command:
        text = word.decode(errors="replace") if isinstance(word, bytes) else str(word)
        words.append(f"'{text}'" if not text or any(c in text for c in " {}\"'*") else text)
    line = " ".join(words)
    if len(line) <= COMMAND_LENGTH_SHOWN:
        return line
    cut = line[:COMMAND_LENGTH_SHOWN].rsplit(" ", 1)[0]
    return f"{cut} ... ({len(line.split()) - len(cut.split())} more)"
