"""Random histories on every store, compared with the brute-force truth (design invariants 1-4)."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from app.domain.errors import KeyReused, Overloaded
from app.domain.models import STRATEGIES, Strategy
from app.services.container import Services, build_services
from app.services.dead_letters import letter_id
from app.services.fanout import Deliverer
from app.storage import keys
from tests.conftest import Backend, add_users, all_pages, small_settings
from tests.oracle.truth import Truth

USERS = 9
user = st.integers(0, USERS - 1)
strategy = st.sampled_from(STRATEGIES)
EXAMPLES = {"fake": 40, "valkey": 40, "redis": 25, "cluster": 12}


class Histories(RuleBasedStateMachine):
    """Posts, follows, unfollows, deletes, reads, and workers that work, pause and die."""

    backend: Backend

    @initialize(edges=st.sets(st.tuples(user, user), max_size=40))
    def begin(self, edges: set[tuple[int, int]]) -> None:
        self.settings = small_settings(
            shards=3,
            timeline_cap=4,
            timeline_slack=1,
            chunk=2,
            chunk_while_read=1,
            celebrity_followers=4,
            hold_followers=3,
            backlog_low=1,
            backlog_high=5,
            backlog_limit=9,
        )
        store = self.backend.store(self.settings.shards)
        self.services: Services = build_services(self.settings, store)
        add_users(store, range(USERS))
        self.truth = Truth()
        self.keys: dict[tuple[int, str], tuple[Strategy, int]] = {}
        self.broken: set[int] = set()
        self.now = 0.0
        self.born = 0
        self.workers = [self.new_worker(), self.new_worker()]
        for follower, followee in edges:
            self.follow(follower, followee)

    def new_worker(self) -> Deliverer:
        self.born += 1
        worker = self.services.deliverer(f"worker-{self.born}")
        worker._clock = lambda: self.now
        return worker

    @rule(author=user, how=strategy, key=st.sampled_from([None, None, "a", "b", "c"]))
    def publish(self, author: int, how: Strategy, key: str | None) -> None:
        """With a key it may be a repetition: then the answer is the first one's."""
        queue, shard = self.services.heartbeats.queue(), author % 3
        backlog, holding = queue.backlogs[shard], queue.holding[shard]
        followers = sum(author in followees for followees in self.truth.following.values())
        limits = self.settings
        before = self.keys.get((author, key)) if key else None
        if before and before[0] != how:
            with pytest.raises(KeyReused):
                self.services.publishing.publish(author, f"a post by {author}", how, key)
            return
        full = backlog + followers > limits.backlog_limit
        large = followers >= limits.hold_followers
        try:
            post, fanout = self.services.publishing.publish(author, f"a post by {author}", how, key)
        except Overloaded:
            assert full
            assert not large
            assert not before
            return
        if before:
            assert post.id == before[1]
            return
        if how == "write" and followers:
            held = large and (
                full or backlog >= limits.backlog_high or (holding and backlog > limits.backlog_low)
            )
            assert (fanout.status == "pull") == held
            assert held or not full
        if key:
            self.keys[author, key] = (how, post.id)
        assert post.id > max(
            (known for known in self.truth.posts if known % 4096 // 16 == post.id % 4096 // 16),
            default=0,
        )
        self.truth.posts[post.id] = author

    @rule(author=user, count=st.integers(2, 6))
    def burst(self, author: int, count: int) -> None:
        for _ in range(count):
            self.publish(author, "write", None)

    @rule(follower=user, followee=user)
    def follow(self, follower: int, followee: int) -> None:
        if follower != followee:
            self.services.graph.follow(follower, followee)
            self.truth.following[follower].add(followee)

    @rule(follower=user, followee=user)
    def unfollow(self, follower: int, followee: int) -> None:
        if follower != followee:
            self.services.graph.unfollow(follower, followee)
            self.truth.following[follower].discard(followee)

    @precondition(lambda self: self.truth.posts)
    @rule(data=st.data())
    def delete(self, data: Any) -> None:
        post = data.draw(st.sampled_from(sorted(self.truth.posts)))
        self.services.publishing.delete(post)
        del self.truth.posts[post]

    @rule(worker=st.integers(0, 1), allowance=st.sampled_from([None, None, 1, 3]))
    def work(self, worker: int, allowance: int | None) -> None:
        self.workers[worker].turn(allowance)

    @rule(worker=st.integers(0, 1))
    def kill_worker(self, worker: int) -> None:
        self.workers[worker] = self.new_worker()

    @rule(seconds=st.sampled_from([0.3, 1.2]))
    def time_passes(self, seconds: float) -> None:
        for worker in self.workers:
            worker.rescue()
        self.now += seconds
        for worker in self.workers:
            worker.rescue()

    @rule()
    def release(self) -> None:
        self.services.releases.run(force=True)

    @rule(reader=user)
    def break_timeline(self, reader: int) -> None:
        """Deliveries to this reader fail from now on."""
        name = keys.timeline(reader % 3, reader)
        self.services.store.command("SET", name, "no list")
        self.broken.add(reader)

    @precondition(lambda self: self.broken)
    @rule(data=st.data())
    def heal_timeline(self, data: Any) -> None:
        reader = data.draw(st.sampled_from(sorted(self.broken)))
        self.services.store.command("DEL", keys.timeline(reader % 3, reader))
        self.broken.discard(reader)

    @rule(data=st.data())
    def lose_a_stream_entry(self, data: Any) -> None:
        shard = data.draw(st.integers(0, 2))
        entries = self.services.store.redis.xrange(keys.jobs(shard))
        if entries:
            lost = data.draw(st.sampled_from([entry for entry, _ in entries]))
            self.services.store.command("XDEL", keys.jobs(shard), lost)

    @rule()
    def sweep(self) -> None:
        self.services.jobs.sweep()

    @rule()
    def requeue(self) -> None:
        for letter in self.services.dead_letters.list():
            with suppress(Overloaded):
                self.services.dead_letters.requeue(letter_id(letter))

    @rule(reader=user, how=strategy, limit=st.integers(1, 6))
    def read(self, reader: int, how: Strategy, limit: int) -> None:
        """Never wrong, only late: what is missing must still be in the backlog, or put aside."""
        if reader in self.broken and how != "read":
            return
        ids = all_pages(self.services, reader, how, limit)
        assert ids == sorted(set(ids), reverse=True)
        truth = self.truth.feed(reader)
        assert set(ids) <= set(truth)
        for post in set(truth) - set(ids):
            assert how != "read"
            status = self.services.publishing.fanout(post).status
            assert status in ("queued", "running", "dead")

    @rule()
    def drain(self) -> None:
        """With no backlog every strategy returns the truth, to the very end."""
        while self.broken:
            reader = self.broken.pop()
            self.services.store.command("DEL", keys.timeline(reader % 3, reader))
        for _ in range(50):
            self.services.releases.run(force=True)
            self.sweep()
            self.requeue()
            for worker in self.workers:
                worker.run_until_idle()
                worker.rescue()
            self.now += 1.1
            queue = self.services.heartbeats.queue()
            if queue.jobs == 0 and queue.dead == 0:
                break
        assert (queue.jobs, queue.backlog, queue.dead) == (0, 0, 0)
        assert self.services.metrics.stage(queue) == "normal"
        assert self.services.jobs.audit_backlogs() == [(0, 0)] * 3
        for reader in range(USERS):
            for how in STRATEGIES:
                assert all_pages(self.services, reader, how, 3) == self.truth.feed(reader)

    @invariant()
    def bounded(self) -> None:
        if not hasattr(self, "services"):
            return
        queue = self.services.heartbeats.queue()
        assert all(0 <= part <= self.settings.backlog_limit for part in queue.backlogs)
        store, limits = self.services.store, self.settings
        batch = store.batch()
        for reader in range(USERS):
            batch.add("LRANGE", keys.timeline(reader % store.shards, reader), 0, -1)
        for reply in batch.run(raise_errors=False):
            if isinstance(reply, Exception):
                continue  # broken on purpose
            values = [float(element) for element in reply]
            assert values == sorted(set(values), reverse=True)
            assert len(values) <= limits.timeline_cap + limits.timeline_slack + 1

    def teardown(self) -> None:
        if hasattr(self, "services"):
            self.drain()


def test_histories(backend: Backend) -> None:
    machine = type("Histories", (Histories,), {"backend": backend})
    factor = float(os.environ.get("ORACLE_FACTOR", "1"))
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=max(1, int(EXAMPLES[backend.name] * factor)),
            stateful_step_count=60,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )


@pytest.mark.parametrize("how", STRATEGIES)
def test_a_feed_goes_on_past_the_cap(services: Services, how: Strategy) -> None:
    add_users(services.store, range(3))
    services.graph.follow(1, 0)
    services.feeds.page(1, "write")
    ids = [services.publishing.publish(0, f"post {n}", "write")[0].id for n in range(20)]
    services.deliverer("w").run_until_idle()
    assert all_pages(services, 1, how) == ids[::-1]
