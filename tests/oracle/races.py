"""Rules that squeeze one thing between two steps of another, as other processes may do."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any
from unittest.mock import patch

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from app.engine.delivery.deliverer import Deliverer
from app.engine.models import Strategy
from tests.oracle.machine import LOG_AGE, SHARDS, Machine, either, squeezed, strategy, user


class Killed(Exception):
    """Ends a worker where it is thrown."""


class Races(Machine):
    """Between a count and a post, in the middle of a rebuild, in the middle of an iteration."""

    @rule(author=user, follower=user, alone=st.booleans(), how=strategy)
    def follow_between_count_and_post(
        self, author: int, follower: int, alone: bool, how: Strategy
    ) -> None:
        """The new follower is in no count, but has a timeline that waits for the post."""
        for other in self.followers(author):
            if alone or other == follower:
                self.unfollow(other, author)

        def follows_and_reads() -> None:
            self.follow(follower, author)
            self.read(follower, "write", 6)

        self.post(author, how, after_count=follows_and_reads)
        self.work_it_off()
        self.read(follower, "write", 6)

    @rule(
        author=user,
        follower=user,
        alone=st.booleans(),
        posts=st.integers(1, 4),
        then=st.sampled_from([None, "read", "write"]),
    )
    def follow_between_count_and_release(
        self, author: int, follower: int, alone: bool, posts: int, then: Strategy | None
    ) -> None:
        """The release counts followers as well, and a post may come in between."""
        for other in self.followers(author):
            if alone or other == follower:
                self.unfollow(other, author)
        for _ in range(posts):
            self.post(author, "read")
        self.post(author, "write")
        self.work_it_off()

        def follows_and_reads() -> None:
            self.follow(follower, author)
            self.read(follower, "write", 6)
            if then:
                self.post(author, then)

        graph = self.services.engine.graph
        with squeezed(graph, "follower_counts", after=follows_and_reads):
            self.release()
        self.read(follower, "write", 6)
        self.work_it_off()
        self.read(follower, "write", 6)

    @rule(
        reader=user,
        author=user,
        position=st.sampled_from(["begin_rebuild", "install"]),
        what=st.sampled_from(["post", "work", "follow", "unfollow", "delete", "read", "expire"]),
        posts=st.integers(1, 3),
        newer=st.integers(0, 7),
    )
    def something_during_a_rebuild(
        self, reader: int, author: int, position: str, what: str, posts: int, newer: int
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

        self.rebuild(reader, position, act)

    def rebuild(self, reader: int, position: str, act: Callable[[], object]) -> None:
        """Something happens before the timeline is installed, or after its rebuild has begun."""
        self.lose_timeline(reader)
        process = self.process()
        when = "before" if position == "install" else "after"
        with squeezed(process.engine.data.timelines, position, **{when: act}):
            self.whole_feed(reader, "write", 6, process)
        self.bounded()
        self.read(reader, "write", 3)

    @rule(
        reader=user,
        author=user,
        known=st.integers(2, 3),
        pushed=st.lists(st.booleans(), min_size=2, max_size=7),
        waiting=st.booleans(),
        position=st.sampled_from(["begin_rebuild", "install"]),
    )
    def a_rebuild_meets_the_cap(
        self, reader: int, author: int, known: int, pushed: list[bool], waiting: bool, position: str
    ) -> None:
        """A small feed grows while it is rebuilt, by posts that waited for that or by new ones.
        Those that are not pushed are the reader's own."""
        if reader == author:
            return
        self.nobody_follows(author)
        for followed in sorted(self.truth.following[reader]):
            self.unfollow(reader, followed)
        self.follow(reader, author)
        self.come_to_rest()
        for post in self.truth.feed(reader):
            self.remove(post)
        for _ in range(known):
            self.post(author, "write")
        self.work_it_off()

        def posts() -> None:
            for is_pushed in pushed:
                self.post(*((author, "write") if is_pushed else (reader, "read")))

        def act() -> None:
            if not waiting:
                posts()
            self.work_it_off()

        if waiting:
            posts()
        self.rebuild(reader, position, act)

    @rule(reader=user, author=user, where=either)
    def a_pulled_post_elsewhere(self, reader: int, author: int, where: int) -> None:
        """A process that has the author's log misses the post until its copies are too old."""
        here, elsewhere = self.processes[where], self.processes[1 - where]
        self.follow(reader, author)
        self.read(reader, "write", 6)
        self.post(author, "read", process=here)
        self.read(reader, "hybrid", 6, here)
        self.post(author, "read", process=elsewhere)
        self.read(reader, "hybrid", 6, here)
        self.now += LOG_AGE + 0.1
        self.read(reader, "hybrid", 6, here)

    @rule(reader=user, author=user, copied=st.sampled_from(["logs", "pulled authors"]))
    def post_during_a_fetch(self, reader: int, author: int, copied: str) -> None:
        """The answer is older than the post, and must not be kept."""
        self.follow(reader, author)
        self.come_to_rest()
        self.read(reader, "write", 6)
        process = self.process()
        fetch: tuple[object, str] = (process.engine.pulled_authors, "all")
        if copied == "logs":
            self.post(author, "read", process=process)
            fetch = (process.engine.posts, "log_pages")
        self.now += LOG_AGE + 0.1
        with squeezed(*fetch, after=lambda: self.post(author, "read", process=process)):
            self.whole_feed(reader, "hybrid", 6, process)
        self.read(reader, "hybrid", 6, process)

    def _delete_newest_of(self, author: int) -> None:
        if log := self.truth.log(author):
            self.remove(log[-1])

    @rule(worker=either)
    def kill_worker(self, worker: int) -> None:
        self.asleep: Deliverer | None = self.workers[worker]
        self.workers[worker] = self.new_worker()

    @precondition(lambda self: getattr(self, "asleep", None) is not None)
    @rule(iterations=st.integers(1, 2))
    def wake_the_dead(self, iterations: int) -> None:
        """The killed worker was only frozen, and takes its jobs for its own."""
        assert self.asleep is not None
        for _ in range(iterations):
            self.checked_iteration(self.asleep)

    @rule(worker=either, where=st.sampled_from(["_take", "_advance", "_finish"]))
    def kill_worker_in_an_iteration(self, worker: int, where: str) -> None:
        """The server has done what it was told; nobody hears of it."""
        with patch.object(self.workers[worker], where, side_effect=Killed), suppress(Killed):
            self.workers[worker].run_iteration()
        self.workers[worker] = self.new_worker()

    @rule(author=user, worker=either)
    def a_restart_undoes_an_iteration(self, author: int, worker: int) -> None:
        """The server ends before it has saved the iteration's deliveries, and is back before the
        worker acknowledges them."""
        if self.backend.name not in ("valkey", "redis"):
            return
        self.post(author, "write")
        self.workers[worker].run_iteration()
        redis, finish = self.services.engine.store.redis, self.workers[worker]._finish
        names = redis.keys()
        saved = [(name, redis.dump(name), max(0, redis.pttl(name))) for name in names]

        def restarted() -> int:
            redis.flushall()
            for name, value, ttl in saved:
                redis.restore(name, ttl, value)
            redis.function_flush()  # takes what the scripts remember, as a restart does
            return finish()

        with patch.object(self.workers[worker], "_finish", restarted):
            self.workers[worker].run_iteration()

    @rule(worker=either)
    def nobody_takes_a_living_job(self, worker: int) -> None:
        """A heartbeat between the look at a job and its reclaim keeps it where it is."""
        seen = self.services.engine.jobs.pending(100)
        self.now += 0.3
        self.workers[worker].run_iteration(1)
        now = {(row.shard, row.entry): row for row in self.services.engine.jobs.pending(100)}
        for row in seen:
            after = now.get((row.shard, row.entry))
            if after is None or after.heartbeats != row.heartbeats:
                assert self.services.engine.jobs.reclaim(row, "a stranger") is None

    @rule(data=st.data())
    def lose_a_stream_entry(self, data: Any) -> None:
        shard = data.draw(st.integers(0, SHARDS - 1))
        store = self.services.engine.store
        entries = store.redis.xrange(store.keys.jobs(shard))
        if entries:
            lost = data.draw(st.sampled_from([entry for entry, _ in entries]))
            store.command("XDEL", store.keys.jobs(shard), lost)

    @rule(shard=st.integers(0, SHARDS - 1), swept=st.booleans(), worker=either)
    def lose_the_group(self, shard: int, swept: bool, worker: int) -> None:
        """The sweeper, or whoever asks for jobs next, makes it anew."""
        self.post(shard, "write")  # a user of this shard
        store = self.services.engine.store
        if store.command("EXISTS", store.keys.jobs(shard)):
            store.command("XGROUP", "DESTROY", store.keys.jobs(shard), "workers")
            if swept:
                self.sweep()
            else:
                self.workers[worker].run_iteration()
            self.time_passes(0.3)
