"""Random histories on every store, compared with the brute-force truth (design invariants 1-4)."""

from __future__ import annotations

import os
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

from app.domain.errors import Overloaded
from app.domain.models import STRATEGIES, Strategy
from app.services.container import Services, build_services
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

    @rule(author=user, how=strategy)
    def publish(self, author: int, how: Strategy) -> None:
        try:
            post, _ = self.services.publishing.publish(author, f"a post by {author}", how)
        except Overloaded:
            return
        assert post.id > max(
            (known for known in self.truth.posts if known % 4096 // 16 == post.id % 4096 // 16),
            default=0,
        )
        self.truth.posts[post.id] = author

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

    @rule(reader=user, how=strategy, limit=st.integers(1, 6))
    def read(self, reader: int, how: Strategy, limit: int) -> None:
        """Never wrong, only late: what is missing must still be in the backlog."""
        ids = all_pages(self.services, reader, how, limit)
        assert ids == sorted(set(ids), reverse=True)
        truth = self.truth.feed(reader)
        assert set(ids) <= set(truth)
        for post in set(truth) - set(ids):
            assert how != "read"
            assert self.services.publishing.fanout(post).status in ("queued", "running")

    @rule()
    def drain(self) -> None:
        """With no backlog every strategy returns the truth, to the very end."""
        for _ in range(50):
            self.services.releases.run(force=True)
            for worker in self.workers:
                worker.run_until_idle()
                worker.rescue()
            self.now += 1.1
            queue = self.services.heartbeats.queue()
            if queue.jobs == 0:
                break
        assert (queue.jobs, queue.backlog) == (0, 0)
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
        for reply in batch.run():
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
