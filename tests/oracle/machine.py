"""The state machine of the random histories: its simple rules, and what must be true after each.

`sequences.py` and `races.py` add rules to it. Rules call each other's methods: a sequence is made
of the same posts, follows and iterations as everything else, and the truth is told of each.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress
from itertools import cycle
from typing import Any
from unittest.mock import patch

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from app.bootstrap import Services
from app.engine.delivery.deliverer import Deliverer
from app.engine.errors import Overloaded
from app.engine.metrics import stage
from app.engine.models import STRATEGIES, Strategy
from app.engine.store import transactions
from tests.conftest import Backend, add_users, small_settings
from tests.oracle.truth import Truth

USERS = 9
SHARDS = 3
user = st.integers(0, USERS - 1)
strategy = st.sampled_from(STRATEGIES)
either = st.integers(0, 1)
token_counts = st.sampled_from([None, None, 0, 1, 3])
schedules = st.lists(st.tuples(either, token_counts), max_size=4)
"""Iterations of the two workers, as (worker, token budget)."""
Schedule = list[tuple[int, int | None]]
NEVER_EXPIRES = -1
PULLED_AGE, LOG_AGE = 0.13, 0.47
"""Seconds for which a process keeps its copies. No sum of the histories' steps is equal to them."""


class Machine(RuleBasedStateMachine):
    """Posts, follows, unfollows, deletes, reads, and workers that work, pause and die.

    Two processes with copies of their own alternate in serving posts and reads.
    """

    backend: Backend

    @initialize(
        edges=st.sets(st.tuples(user, user), max_size=40),
        low=st.sampled_from([1, 3]),
        chunk_while_read=st.sampled_from([1, 2]),
        log_cap=st.sampled_from([3, 6, 100]),
        served_by=st.lists(either, min_size=1, max_size=8),
        large_from=st.sampled_from([1, 2, 200]),
    )
    def begin(
        self,
        edges: set[tuple[int, int]],
        low: int,
        chunk_while_read: int,
        log_cap: int,
        served_by: list[int],
        large_from: int = 200,
    ) -> None:
        transactions.MIN_FOLLOWERS = large_from
        self.settings = small_settings(
            shards=SHARDS,
            timeline_cap=4,
            timeline_slack=1,
            chunk=2,
            chunk_while_read=chunk_while_read,
            celebrity_followers=4,
            large_author_followers=3,
            backlog_low=low,
            backlog_high=5,
            backlog_limit=9,
            log_cap=log_cap,
            pulled_authors_cache_ms=round(PULLED_AGE * 1000),
            log_cache_ms=round(LOG_AGE * 1000),
            hybrid_rule="followers",  # measured costs would make no two runs alike
        )
        store = self.backend.store(self.settings.shards)
        self.processes = [Services(self.settings, store, lambda: self.now) for _ in range(2)]
        self.services: Services = self.processes[0]
        self.served_by = cycle(served_by)
        add_users(store, range(USERS))
        self.truth = Truth(log_cap)
        self.posted: dict[int, tuple[Services, float]] = {}
        self.keys: dict[tuple[int, str], tuple[Strategy, int]] = {}
        self.pushed: dict[int, int] = {}  # post -> author, while no edge to the author changed
        self.broken: set[int] = set()
        self.now = 0.0
        self.born = 0
        self.workers = [self.new_worker(), self.new_worker()]
        for follower, author in edges:
            self.follow(follower, author)

    def new_worker(self) -> Deliverer:
        self.born += 1
        return self.services.engine.deliverer(f"worker-{self.born}")

    def process(self) -> Services:
        """The process that the next request comes to."""
        return self.processes[next(self.served_by)]

    def followers(self, author: int) -> list[int]:
        return [reader for reader in range(USERS) if author in self.truth.following[reader]]

    def nobody_follows(self, author: int) -> None:
        for follower in self.followers(author):
            self.unfollow(follower, author)

    def post(
        self,
        author: int,
        how: Strategy,
        *,
        key: str | None = None,
        after_count: Callable[[], object] = lambda: None,
        process: Services | None = None,
    ) -> bool:
        """Publishes and checks the answer. `after_count` happens between the count of the
        followers and the post. Returns whether a new post is on its way to followers."""
        queue, shard = self.services.engine.queue(), author % SHARDS
        backlog, deferring = queue.backlogs[shard], queue.deferring[shard]
        followers = len(self.followers(author))
        limits, process = self.settings, process or self.process()
        publishing = process.engine.publishing
        before = self.keys.get((author, key)) if key else None
        full = backlog + followers > limits.backlog_limit
        large = followers >= limits.large_author_followers
        try:
            with squeezed(process.engine.graph, "follower_counts", after=after_count):
                post, fanout = publishing.publish(author, f"a post by {author}", how, key)
        except Overloaded:
            assert full
            assert not large
            assert not before
            return False
        if before:
            assert post.id == before[1]
            return False
        assert fanout.recipients == followers
        if how == "write" and followers:
            deferred = large and (
                full
                or backlog >= limits.backlog_high
                or (deferring and backlog > limits.backlog_low)
            )
            assert (fanout.status == "pull") == deferred
            assert deferred or not full
        if key:
            self.keys[author, key] = (how, post.id)
        assert post.id > max(
            (known for known in self.truth.posts if known % 4096 // 16 == post.id % 4096 // 16),
            default=0,
        )
        self.truth.publish(post.id, author)
        self.posted[post.id] = process, self.now
        if fanout.status != "queued":
            return False
        if len(self.followers(author)) == followers:
            self.pushed[post.id] = author
        return followers > 0

    def remove(self, post: int) -> None:
        self.process().engine.delete(post)
        del self.truth.posts[post]

    def _edge_changes(self, author: int) -> None:
        for post in [post for post, by in self.pushed.items() if by == author]:
            del self.pushed[post]

    @rule(follower=user, author=user)
    def follow(self, follower: int, author: int) -> None:
        if follower != author:
            self._edge_changes(author)
            self.services.engine.follow(follower, author)
            self.truth.following[follower].add(author)

    @rule(follower=user, author=user)
    def unfollow(self, follower: int, author: int) -> None:
        if follower != author:
            self._edge_changes(author)
            self.services.engine.unfollow(follower, author)
            self.truth.following[follower].discard(author)

    @rule(worker=either, tokens=token_counts)
    def work(self, worker: int, tokens: int | None) -> None:
        self.checked_iteration(self.workers[worker], tokens)

    def checked_iteration(self, worker: Deliverer, tokens: int | None = None) -> None:
        """Within an iteration a backlog only falls. Deferring ends at the low mark, not before."""
        before = self.services.engine.queue()
        worker.run_iteration(tokens)
        after = self.services.engine.queue()
        for shard in range(SHARDS):
            assert after.backlogs[shard] <= before.backlogs[shard]
            if before.deferring[shard] and before.backlogs[shard] > self.settings.backlog_low:
                low = after.backlogs[shard] <= self.settings.backlog_low
                assert after.deferring[shard] != low

    def iterations(self, schedule: Schedule) -> None:
        for worker, tokens in schedule:
            self.workers[worker].run_iteration(tokens)

    def work_it_off(self) -> None:
        """Both workers until they have nothing left."""
        for worker in self.workers:
            worker.run_until_idle()

    @rule(seconds=st.sampled_from([0.05, 0.3, 1.2]))
    def time_passes(self, seconds: float) -> None:
        for worker in self.workers:
            worker.reclaiming.run()
        self.now += seconds
        for worker in self.workers:
            worker.reclaiming.run()

    @rule()
    def release(self) -> None:
        self.services.engine.releases.run(force=True)

    @rule(reader=user)
    def break_timeline(self, reader: int) -> None:
        """Deliveries to this reader fail from now on."""
        store = self.services.engine.store
        store.command("SET", store.keys.timeline(reader), "no list")
        self.broken.add(reader)

    @rule(reader=user)
    def lose_timeline(self, reader: int) -> None:
        """It expired, or was broken and is repaired."""
        store = self.services.engine.store
        store.command("DEL", store.keys.timeline(reader))
        self.broken.discard(reader)

    def heal(self) -> None:
        for reader in sorted(self.broken):
            self.lose_timeline(reader)

    @rule()
    def sweep(self) -> None:
        self.services.engine.jobs.sweep()

    @rule()
    def requeue(self) -> None:
        for dead_letter in self.services.engine.dead_letters.list():
            with suppress(Overloaded):
                self.services.engine.dead_letters.requeue(dead_letter.id)
                self.bounded_backlog()

    @rule(reader=user, how=strategy, limit=st.integers(1, 6))
    def read(self, reader: int, how: Strategy, limit: int, process: Services | None = None) -> None:
        """Never wrong, only late: what is missing must still be in the backlog, or put aside, or
        younger than the process's copies. A process knows what it has published itself."""
        if reader in self.broken and how != "read":
            return
        process = process or self.process()
        ids = self.whole_feed(reader, how, limit, process)
        truth = self.truth.feed(reader)
        assert set(ids) <= set(truth)
        for post in set(truth) - set(ids):
            assert how != "read"
            status = self.services.engine.fanout(post).status
            if status == "pull":
                by, at = self.posted[post]
                assert by is not process
                assert self.now - at < (LOG_AGE if how == "hybrid" else PULLED_AGE)
            else:
                assert status in ("queued", "running", "dead")

    def whole_feed(self, reader: int, how: Strategy, limit: int, process: Services) -> list[int]:
        """All pages. A page that does not go down would be the next one again, for ever."""
        ids: list[int] = []
        cursor = None
        while True:
            page = process.engine.feed(reader, how, limit, cursor)
            ids += [post.id for post in page.items]
            assert ids == sorted(set(ids), reverse=True)
            cursor = page.next_cursor
            if cursor is None:
                return ids

    def come_to_rest(self) -> None:
        """Heals everything and lets the workers come to an end, so that no backlog is left."""
        self.heal()
        for _ in range(50):
            self.services.engine.releases.run(force=True)
            self.sweep()
            self.requeue()
            self.work_it_off()
            waiting = [
                pulled_author
                for pulled_author in self.services.engine.pulled_authors.all()
                if pulled_author.releasing or pulled_author.why in ("deferred", "returning")
            ]
            queue = self.services.engine.queue()
            if queue.jobs == 0 and queue.dead == 0 and not waiting:
                break
            self.time_passes(1.2)
        assert (queue.jobs, queue.backlog, queue.dead, waiting) == (0, 0, 0, [])
        assert stage(self.services.settings, queue) == "normal"
        assert self.services.engine.jobs.audit_backlogs() == [(0, 0)] * SHARDS
        for post in self.pushed:
            fanout = self.services.engine.fanout(post)
            assert fanout.status == "done"
            assert fanout.delivered + fanout.skipped == fanout.recipients
        self.pushed.clear()

    @rule(readers=st.sets(user, min_size=1, max_size=2))
    def drain(self, readers: Iterable[int]) -> None:
        """With no backlog and no old copies every strategy returns the truth, to the very end."""
        self.come_to_rest()
        self.now += LOG_AGE + 0.1
        for reader in readers:
            for how in STRATEGIES:
                ids = self.whole_feed(reader, how, 3, self.process())
                assert ids == self.truth.feed(reader)

    def bounded_backlog(self) -> None:
        queue = self.services.engine.queue()
        assert all(0 <= part <= self.settings.backlog_limit for part in queue.backlogs)

    @invariant()
    def bounded(self) -> None:
        if not hasattr(self, "services"):
            return
        self.bounded_backlog()
        assert all(said == is_so for said, is_so in self.services.engine.jobs.audit_backlogs())
        store, limits = self.services.engine.store, self.settings
        batch = store.batch()
        for reader in range(USERS):
            batch.add("LRANGE", store.keys.timeline(reader), 0, -1)
            batch.add("TTL", store.keys.timeline(reader))
        replies = batch.run(raise_errors=False)
        for elements, ttl in zip(replies[::2], replies[1::2], strict=True):
            if isinstance(elements, Exception):
                continue  # broken on purpose
            values = [float(element) for element in elements]
            assert values == sorted(set(values), reverse=True)
            assert len(values) <= limits.timeline_cap + limits.timeline_slack + 1
            assert ttl != NEVER_EXPIRES

    def teardown(self) -> None:
        if hasattr(self, "services"):
            self.drain(range(USERS))


def squeezed(
    of: object,
    name: str,
    *,
    before: Callable[[], object] = lambda: None,
    after: Callable[[], object] = lambda: None,
) -> Any:
    """Something happens once, right before or after the next call of a method."""
    real = getattr(of, name)
    done: list[bool] = []

    def wrapped(*args: Any, **options: Any) -> Any:
        if done:
            return real(*args, **options)
        done.append(True)
        before()
        reply = real(*args, **options)
        after()
        return reply

    return patch.object(of, name, wrapped)
