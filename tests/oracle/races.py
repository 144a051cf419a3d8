"""Rules that squeeze one thing between two steps of another, as other processes may do."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any
from unittest.mock import patch

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from app.domain.models import Strategy
from app.services.fanout import Deliverer
from tests.oracle.machine import SHARDS, Machine, either, strategy, user


class Killed(Exception):
    """Ends a worker where it is thrown."""


class Races(Machine):
    """Between a count and a post, in the middle of a rebuild, in the middle of a turn."""

    @rule(author=user, follower=user, alone=st.booleans(), how=strategy)
    def follow_between_count_and_post(
        self, author: int, follower: int, alone: bool, how: Strategy
    ) -> None:
        """The new follower is in no count, but has a timeline that waits for the post."""
        for fan in self.fans(author):
            if alone or fan == follower:
                self.unfollow(fan, author)

        def follows_and_reads() -> None:
            self.follow(follower, author)
            self.read(follower, "write", 6)

        self.post(author, how, after_count=follows_and_reads)
        self.work_it_off()
        self.read(follower, "write", 6)

    @rule(author=user, follower=user, posts=st.integers(1, 4))
    def follow_between_count_and_release(self, author: int, follower: int, posts: int) -> None:
        """The release counts followers as well."""
        self.unfollow(follower, author)
        for _ in range(posts):
            self.post(author, "read")
        self.post(author, "write")
        self.work_it_off()
        graph = self.services.releases._graph
        count = graph.follower_counts

        def counted(who: int) -> list[int]:
            counts = count(who)
            self.follow(follower, author)
            self.read(follower, "write", 6)
            return counts

        with patch.object(graph, "follower_counts", counted):
            self.release()
        self.read(follower, "write", 6)
        self.work_it_off()
        self.read(follower, "write", 6)

    @rule(
        reader=user,
        author=user,
        place=st.sampled_from(["begin_rebuild", "install"]),
        what=st.sampled_from(["post", "work", "follow", "unfollow", "delete", "read", "expire"]),
        posts=st.integers(1, 3),
        newer=st.integers(0, 7),
    )
    def something_during_a_rebuild(
        self, reader: int, author: int, place: str, what: str, posts: int, newer: int
    ) -> None:
        """After the marker was put, or after the logs were read."""
        if what == "follow":
            self.unfollow(reader, author)
        else:
            self.follow(reader, author)
        self.post(author, "write")
        if what == "work":  # what arrives then may be older than all that was read
            for _ in range(newer):
                self.post(reader, "read")
        else:
            self.work_it_off()
        acts: dict[str, Callable[[], object]] = {
            "post": lambda: [self.post(author, "write") for _ in range(posts)],
            "work": lambda: None,
            "follow": lambda: self.follow(reader, author),
            "unfollow": lambda: self.unfollow(reader, author),
            "delete": lambda: self._delete_newest_of(author),
            "read": lambda: self.read(reader, "hybrid", 3),
            "expire": lambda: (self.lose_timeline(reader), self.read(reader, "write", 3)),
        }

        def act() -> None:
            acts[what]()
            self.work_it_off()

        self.lose_timeline(reader)
        timelines = self.services.feeds._timelines
        with _squeezed(timelines, place, act):
            self.whole_feed(reader, "write", 6)
        self.bounded()
        self.read(reader, "write", 3)

    def _delete_newest_of(self, author: int) -> None:
        posts = [post for post, whose in self.truth.posts.items() if whose == author]
        if posts:
            self.services.publishing.delete(max(posts))
            del self.truth.posts[max(posts)]

    @rule(worker=either)
    def kill_worker(self, worker: int) -> None:
        self.asleep: Deliverer | None = self.workers[worker]
        self.workers[worker] = self.new_worker()

    @precondition(lambda self: getattr(self, "asleep", None) is not None)
    @rule(turns=st.integers(1, 2))
    def wake_the_dead(self, turns: int) -> None:
        """The killed worker was only frozen, and takes its jobs for its own."""
        assert self.asleep is not None
        for _ in range(turns):
            self.asleep.turn()

    @rule(worker=either, where=st.sampled_from(["_answers", "_take", "_walked", "_finish"]))
    def kill_worker_in_a_turn(self, worker: int, where: str) -> None:
        """The server has done what it was told; nobody hears of it."""
        with patch.object(self.workers[worker], where, side_effect=Killed), suppress(Killed):
            self.workers[worker].turn()
        self.workers[worker] = self.new_worker()

    @rule(worker=either)
    def nobody_takes_a_living_job(self, worker: int) -> None:
        """A beat between the look at a job and its claim keeps it where it is."""
        seen = self.services.jobs.pending(100)
        self.now += 0.3
        self.workers[worker].turn(1)
        now = {(row.shard, row.entry): row for row in self.services.jobs.pending(100)}
        for row in seen:
            after = now.get((row.shard, row.entry))
            if after is None or after.beat != row.beat:
                assert self.services.jobs.claim(row, "a stranger") is None

    @rule(data=st.data())
    def lose_a_stream_entry(self, data: Any) -> None:
        shard = data.draw(st.integers(0, SHARDS - 1))
        store = self.services.store
        entries = store.redis.xrange(store.keys.jobs(shard))
        if entries:
            lost = data.draw(st.sampled_from([entry for entry, _ in entries]))
            store.command("XDEL", store.keys.jobs(shard), lost)

    @rule(shard=st.integers(0, SHARDS - 1), swept=st.booleans(), worker=either)
    def lose_the_group(self, shard: int, swept: bool, worker: int) -> None:
        """The sweeper, or whoever asks for jobs next, makes it anew."""
        self.post(shard, "write")  # a user of this shard
        store = self.services.store
        if store.command("EXISTS", store.keys.jobs(shard)):
            store.command("XGROUP", "DESTROY", store.keys.jobs(shard), "workers")
            if swept:
                self.sweep()
            else:
                self.workers[worker].turn()
            self.time_passes(0.3)


def _squeezed(of: object, name: str, act: Callable[[], None]) -> Any:
    """`act` happens once: before the next `install`, after the next `begin_rebuild`."""
    real = getattr(of, name)
    done: list[bool] = []

    def wrapped(*args: Any, **options: Any) -> Any:
        if done:
            return real(*args, **options)
        done.append(True)
        if name == "install":
            act()
            return real(*args, **options)
        reply = real(*args, **options)
        act()
        return reply

    return patch.object(of, name, wrapped)
