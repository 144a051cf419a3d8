"""Posts and logs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import Any, cast

import orjson

from ..errors import KeyReused, NoAnswer, Overloaded, UnknownPost, UnknownUser
from ..ids import created_at
from ..models import Post, PullReason, Strategy
from ..settings import EngineSettings
from .client import Store
from .failures import Refused


@dataclass(frozen=True, slots=True)
class Accepted:
    """An accepted post. `pull_reason` is None when a job was queued; otherwise readers pull the
    post. `repeated`: it was accepted before, under the same key."""

    id: int
    pull_reason: PullReason | None
    recipients: int
    repeated: bool


class Posts:
    """Posts by id, and each author's log."""

    def __init__(self, store: Store, settings: EngineSettings) -> None:
        self._store, self._keys, self._settings = store, store.keys, settings

    def accept(
        self,
        author_id: int,
        text: str,
        strategy: Strategy,
        *,
        pull_reason: PullReason | None,
        counts: Sequence[int],
        repeat_key: str | None = None,
    ) -> Accepted:
        """Writes post, log entry and job at once. `counts` are the followers on each shard.
        Without a `pull_reason` it is pushed, unless backpressure defers it.

        Raises `UnknownUser`, `KeyReused`, `Overloaded` or `StoreDown`; nothing was written then,
        but for `NoAnswer` it may have been: repeat with the same key to find out.
        """
        settings, keys, recipients = self._settings, self._keys, sum(counts)
        body = orjson.dumps({"author_id": author_id, "text": text, "strategy": strategy})
        options = {
            "user_bit": keys.bit(author_id)[1],
            "mode": "pull" if pull_reason else "push",
            "why": pull_reason or "",
            "strategy": strategy,
            "recipients": recipients,
            "counts": ",".join(map(str, counts)),
            "large": recipients >= settings.large_author_followers,
            "log_cap": settings.log_cap,
            "cap": settings.timeline_cap,
            "slack": settings.timeline_slack,
            "low": settings.backlog_low,
            "high": settings.backlog_high,
            "limit": settings.backlog_limit,
        }
        if repeat_key is not None:
            options["repeat_key"] = _digest(repeat_key.encode())
            options["fingerprint"] = _digest(body)
        args = keys.tag(author_id), author_id, body, orjson.dumps(options)
        try:
            reply = self._store.call("publish", keys.log(author_id), *args)
        except Refused as error:
            raise _refusal(error, author_id) from error
        except NoAnswer as error:
            late = "The store did not answer in time; the post may have been accepted."
            raise NoAnswer(late) from error
        post_id, mode, why, recipients, repeated = reply
        reason = None if mode == b"push" else cast("PullReason", why.decode())
        return Accepted(int(post_id), reason, int(recipients), repeated == 1)

    def get(self, post_id: int) -> Post:
        """The post. Raises `UnknownPost`."""
        for post in self.get_many([post_id]):
            return post
        raise UnknownPost(f"There is no post {post_id}; it may have been deleted.")

    def get_many(self, post_ids: Sequence[int]) -> list[Post]:
        """The posts in the order of the ids, without those that were deleted."""
        bodies = zip(post_ids, self.bodies(post_ids), strict=True)
        return parsed({post_id: body for post_id, body in bodies if body})

    def bodies(self, post_ids: Sequence[int]) -> list[bytes]:
        """What is stored of the posts, JSON texts in the order of the ids; empty for those that
        were deleted."""
        if not post_ids:
            return []
        keys = map(self._keys.post, post_ids)
        if self._store.is_cluster:  # MGET may not cross slots there
            bodies = self._store.run([("GET", key) for key in keys])
        else:
            bodies = self._store.command("MGET", *keys)
        return [body or b"" for body in bodies]

    def delete(self, post: Post) -> None:
        """Removes body and log entry; readers skip what has no body."""
        author, keys = post.author_id, self._keys
        self._store.call("delete_post", keys.log(author), keys.tag(author), author, post.id)

    def log_pages(self, authors: Sequence[int], before: int, count: int) -> dict[int, list[int]]:
        """For each author up to `count` ids of the log below `before` (0: from the newest)."""
        groups, replies = self._ask_logs("log_pages", authors, before, count)
        return {
            author: list(map(int, ids))
            for group, reply in zip(groups, replies, strict=True)
            for author, ids in zip(group, reply, strict=True)
        }

    def latest(self, authors: Sequence[int], before: int, count: int) -> list[list[int]]:
        """The newest `count` ids below `before` (0: from the newest) of all these authors' logs,
        for each shard on its own, descending. Fewer than `count`: the shard has no more."""
        _, replies = self._ask_logs("latest_posts", authors, before, count)
        return [ids[::-1] for ids in replies]

    def _ask_logs(
        self, function: str, authors: Sequence[int], before: int, count: int
    ) -> tuple[list[list[int]], list[list[Any]]]:
        """Calls a function that takes authors once for each shard: the authors of each call, and
        its answer."""
        keys = self._keys
        groups: dict[str, list[int]] = {}
        for author in authors:
            groups.setdefault(keys.tag(author), []).append(author)
        batch = self._store.batch()
        for tag, group in groups.items():
            batch.call(function, keys.log(group[0]), tag, before, count, *group)
        return list(groups.values()), batch.run()


def parsed(bodies: Mapping[int, bytes]) -> list[Post]:
    """The posts of bodies by id. Parsing one text takes half the time of parsing each body."""
    rows = zip(bodies, orjson.loads(b"[%b]" % b",".join(bodies.values())), strict=True)
    return [
        Post(post, row["author_id"], row["text"], created_at(post), row["strategy"])
        for post, row in rows
    ]


def spliced(bodies: Mapping[int, bytes]) -> orjson.Fragment:
    """The posts of these bodies as a JSON list, made without parsing: what a body does not say
    goes between its first brace and the rest."""
    posts = [_begun(post) + body[1:] for post, body in bodies.items()]
    return orjson.Fragment(b"[%b]" % b",".join(posts))


@lru_cache(maxsize=16_384)
def _begun(post: int) -> bytes:
    return b'{"id":%d,"created_at":"%b",' % (post, created_at(post).encode())


def _digest(text: bytes) -> str:
    return sha256(text).hexdigest()[:32]


def _refusal(error: Refused, author_id: int) -> Exception:
    refusals = {
        "NOUSER": UnknownUser(author_id),
        "KEYREUSED": KeyReused("This key was sent before with another text or strategy."),
        "OVERLOADED": Overloaded("The backlog is at its limit; this post was not accepted."),
    }
    return refusals.get(str(error).split(" ")[0], error)
