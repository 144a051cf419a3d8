"""What happens between two round trips, at the end of a list, and after a restart."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import redis

from app.domain.models import STRATEGIES
from app.services.container import Services, build_services
from app.storage import keys
from app.storage.client import Store
from tests import servers
from tests.conftest import Backend, add_users, all_pages, one_reader, small_settings

READERS = range(1, 13)


@pytest.fixture
def crowd(services: Services) -> Services:
    """Everybody follows 0 and has a timeline."""
    add_users(services.store, range(20))
    for reader in READERS:
        services.graph.follow(reader, 0)
        services.feeds.page(reader, "write")
    return services


def deliver(services: Services) -> None:
    services.deliverer("w").run_until_idle()


def after_counting(services: Services, then: Callable[[], None]) -> None:
    """Makes something happen once, between the count of the followers and the post."""
    graph = services.publishing._graph
    count = graph.follower_counts

    def counted(author: int) -> list[int]:
        found = count(author)
        then()
        graph.follower_counts = count  # type: ignore[method-assign]
        return found

    graph.follower_counts = counted  # type: ignore[method-assign]


@pytest.mark.parametrize("followers_before", [[], [17]])
def test_a_follow_between_count_and_post(services: Services, followers_before: list[int]) -> None:
    add_users(services.store, range(20))
    for reader in followers_before:
        services.graph.follow(reader, 0)

    def follow_and_read() -> None:
        services.graph.follow(2, 0)
        services.feeds.page(2, "write")

    after_counting(services, follow_and_read)
    post, _ = services.publishing.publish(0, "hello", "write")
    deliver(services)
    for how in STRATEGIES:
        assert all_pages(services, 2, how) == [post.id]


def test_a_lost_consumer_group_is_made_again(crowd: Services) -> None:
    first, _ = crowd.publishing.publish(0, "one", "write")
    crowd.store.command("XGROUP", "DESTROY", keys.jobs(0), keys.GROUP)
    second, _ = crowd.publishing.publish(0, "two", "write")
    deliver(crowd)
    deliver(crowd)
    assert all_pages(crowd, 1, "write") == [second.id, first.id]
    assert crowd.heartbeats.queue().jobs == 0


def test_a_release_whose_posts_were_deleted_leaves_timelines_alone(crowd: Services) -> None:
    kept, _ = crowd.publishing.publish(0, "kept", "write")
    deliver(crowd)
    held = [crowd.publishing.publish(0, f"held {n}", "read")[0] for n in range(2)]
    counts = crowd.publishing._graph.follower_counts(0)
    assert crowd.pullers.release(0, counts, 1_000, 1_000)
    for post in held:
        crowd.publishing.delete(post.id)
    deliver(crowd)
    batch = crowd.store.batch()
    for reader in READERS:
        batch.add("EXISTS", keys.timeline(reader % crowd.store.shards, reader))
    assert all(batch.run())
    assert all_pages(crowd, 1, "write") == [kept.id]
    assert crowd.pullers.all() == []


def test_many_deleted_posts_cost_few_round_trips(backend: Backend) -> None:
    services = one_reader(backend, timeline_cap=400)
    posts = [services.publishing.publish(0, f"post {n}", "write")[0].id for n in range(120)]
    deliver(services)
    for post in posts[1:-5]:
        services.publishing.delete(post)
    page = services.feeds.page(1, "write", 20)
    assert [post.id for post in page.items] == [*posts[:-6:-1], posts[0]]
    assert page.round_trips < 20


def test_thousands_of_pull_authors(crowd: Services) -> None:
    post, _ = crowd.publishing.publish(0, "hello", "read")
    batch = crowd.store.batch()
    for author in range(100_000, 109_000):
        batch.add("HSET", keys.pullers(author % crowd.store.shards), author, "1,0,0,read")
    batch.run()
    for how in STRATEGIES:
        assert all_pages(crowd, 1, how) == [post.id]


def test_releases_stay_under_the_high_mark(backend: Backend) -> None:
    settings = small_settings(backlog_low=1, backlog_high=5, backlog_limit=100)
    services = build_services(settings, backend.store(settings.shards))
    add_users(services.store, range(200))
    authors = range(0, 80, settings.shards)  # all on one shard
    for author in authors:
        for reader in (101, 102, 103):
            services.graph.follow(reader, author)
        services.publishing.publish(author, "held", "read")
        services.store.command(
            "HSET", keys.pullers(0), author, f"{all_pages(services, author, 'read')[0]},0,0,held"
        )
    rounds = 0
    while services.pullers.all():
        services.releases.run(force=True)
        assert services.heartbeats.queue().backlog <= settings.backlog_high
        deliver(services)
        rounds += 1
        assert rounds < 100


def test_held_posts_are_accounted_for_after_their_release(crowd: Services) -> None:
    held, _ = crowd.publishing.publish(0, "held", "read")
    crowd.publishing.publish(0, "pushed", "write")
    deliver(crowd)
    crowd.releases.run(force=True)
    deliver(crowd)
    account = crowd.publishing.fanout(held.id)
    assert (account.status, account.delivered, account.skipped) == ("done", len(READERS), 0)
    assert account.lag_ms is not None


def test_holding_ends_when_the_backlog_has_drained_though_nobody_posts(backend: Backend) -> None:
    settings = small_settings(backlog_low=2, backlog_high=8, backlog_limit=30)
    services = build_services(settings, backend.store(settings.shards))
    add_users(services.store, range(20))
    for reader in READERS:
        services.graph.follow(reader, 0)
        services.feeds.page(reader, "write")
    services.publishing.publish(0, "one", "write")
    services.publishing.publish(0, "two", "write")
    assert any(services.heartbeats.queue().holding)
    deliver(services)
    assert not any(services.heartbeats.queue().holding)


def test_a_lone_worker_notices_that_the_server_lost_its_last_writes(tmp_path: Path) -> None:
    settings = small_settings(redis_port=servers.free_port())
    command = [servers.valkey_binary(), "--port", str(settings.redis_port), "--dir", str(tmp_path)]
    command += ["--save", "", "--appendonly", "no", "--bind", "127.0.0.1"]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        servers.wait_for(settings.redis_port)
        client = redis.Redis(port=settings.redis_port, retry_on_error=[redis.ConnectionError])
        services = build_services(settings, Store(lambda: client, settings.shards))
        add_users(services.store, range(20))
        for reader in READERS:
            services.graph.follow(reader, 0)
            services.feeds.page(reader, "write")
        post, _ = services.publishing.publish(0, "hello", "write")
        worker = services.deliverer("only")
        now = 0.0
        worker._clock = lambda: now
        worker.turn()
        client.save()
        worker.turn(6)  # delivered, and lost with the crash
        server.kill()
        server.wait()
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        servers.wait_for(settings.redis_port)
        for _ in range(10):
            worker.run_until_idle()
            worker.rescue()
            now += 0.6
        assert services.publishing.fanout(post.id).status == "done"
        for reader in READERS:
            assert all_pages(services, reader, "write") == [post.id]
    finally:
        server.kill()
        server.wait()
