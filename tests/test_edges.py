"""What happens between two round trips, at the end of a list, and after a restart."""

from collections.abc import Callable, Iterator
from pathlib import Path
from unittest.mock import patch

import pytest
import redis

from app.bootstrap import Services
from app.engine.ids import EPOCH_MS, shard_of_post
from app.engine.models import STRATEGIES
from app.engine.store.timelines import MOST_SENT
from app.settings import Settings
from bench import servers
from bench.processes import free_port
from tests.conftest import (
    Backend,
    add_readers,
    add_users,
    all_pages,
    changed_lua,
    one_reader,
    small_settings,
    store_of,
)

READERS = range(1, 13)


@pytest.fixture
def crowd(services: Services) -> Services:
    """Everybody follows 0 and has a timeline."""
    add_readers(services, 0, READERS)
    return services


def deliver(services: Services) -> None:
    services.engine.deliverer("w").run_until_idle()


def after_counting(services: Services, then: Callable[[], None]) -> None:
    """Makes something happen once, between the next count of followers and what it is for."""
    graph = services.engine.graph
    count = graph.follower_counts

    def counted(author: int, *, partial: bool = False) -> list[int]:
        found = count(author, partial=partial)
        graph.follower_counts = count  # type: ignore[method-assign]
        then()
        return found

    graph.follower_counts = counted  # type: ignore[method-assign]


@pytest.mark.parametrize("followers_before", [[], [17]])
def test_a_follower_won_between_count_and_post_gets_the_post(
    services: Services, followers_before: list[int]
) -> None:
    add_users(services.engine.store, range(20))
    for reader in followers_before:
        services.engine.follow(reader, 0)

    def follow_and_read() -> None:
        services.engine.follow(2, 0)
        services.engine.feed(2, "write")

    after_counting(services, follow_and_read)
    post, _ = services.engine.publish(0, "hello", "write")
    deliver(services)
    for how in STRATEGIES:
        assert all_pages(services, 2, how) == [post.id]


def test_a_lost_consumer_group_is_made_again(crowd: Services) -> None:
    first, _ = crowd.engine.publish(0, "one", "write")
    crowd.engine.store.command("XGROUP", "DESTROY", crowd.engine.store.keys.jobs(0), "workers")
    second, _ = crowd.engine.publish(0, "two", "write")
    deliver(crowd)
    deliver(crowd)
    assert all_pages(crowd, 1, "write") == [second.id, first.id]
    assert crowd.engine.queue().jobs == 0


def test_a_release_whose_posts_were_deleted_leaves_timelines_alone(crowd: Services) -> None:
    kept, _ = crowd.engine.publish(0, "kept", "write")
    deliver(crowd)
    deferred = [crowd.engine.publish(0, f"deferred {n}", "read")[0] for n in range(2)]
    counts = crowd.engine.graph.follower_counts(0)
    assert crowd.engine.pulled_authors.release(0, counts, crowd.settings)
    for post in deferred:
        crowd.engine.delete(post.id)
    deliver(crowd)
    batch = crowd.engine.store.batch()
    for reader in READERS:
        batch.add("EXISTS", crowd.engine.store.keys.timeline(reader))
    assert all(batch.run())
    assert all_pages(crowd, 1, "write") == [kept.id]
    assert crowd.engine.pulled_authors.all() == []


@pytest.mark.parametrize("others", [[], [3], [4]], ids=["nobody", "elsewhere", "same shard"])
def test_a_post_between_count_and_release_reaches_who_followed_meanwhile(
    services: Services, others: list[int]
) -> None:
    add_users(services.engine.store, range(20))
    for reader in others:
        services.engine.follow(reader, 0)
        services.engine.feed(reader, "write")
    posts = [services.engine.publish(0, "deferred", "read")[0].id]
    posts += [services.engine.publish(0, "back to push", "write")[0].id]
    deliver(services)

    def follow_read_and_post() -> None:
        services.engine.follow(8, 0)
        services.engine.feed(8, "write")
        posts.append(services.engine.publish(0, "deferred again", "read")[0].id)

    after_counting(services, follow_read_and_post)
    services.engine.releases.run(force=True)
    deliver(services)
    for reader in (*others, 8):
        for how in STRATEGIES:
            assert all_pages(services, reader, how) == posts[::-1]


@pytest.mark.parametrize("followers", [0, 1])
@pytest.mark.parametrize("kept", [0, 1])
def test_a_release_of_deleted_posts_returns_the_author_to_push(
    backend: Backend, followers: int, kept: int
) -> None:
    """Deleted before the release, or pushed out of the log by later posts."""
    services = one_reader(backend, log_cap=kept + 1)
    author = 0 if followers else 2
    first, _ = services.engine.publish(author, "deferred", "read")
    posts = [services.engine.publish(author, f"post {n}", "write")[0].id for n in range(kept + 1)]
    if not kept:
        services.engine.delete(posts.pop())
    assert first.id not in all_pages(services, 1, "read")
    deliver(services)
    services.engine.releases.run(force=True)
    deliver(services)
    assert services.engine.pulled_authors.all() == []
    for how in STRATEGIES:
        assert all_pages(services, 1, how) == (posts[::-1] if followers else [])


def test_a_page_below_many_deleted_posts_takes_few_round_trips(backend: Backend) -> None:
    services = one_reader(backend, timeline_cap=400)
    posts = [services.engine.publish(0, f"post {n}", "write")[0].id for n in range(120)]
    deliver(services)
    for post in posts[1:-5]:
        services.engine.delete(post)
    page = services.engine.feed(1, "write", 20)
    assert [post.id for post in page.items] == [*posts[:-6:-1], posts[0]]
    assert page.round_trips < 20


def test_the_largest_page_is_found_below_thousands_of_deleted_posts(backend: Backend) -> None:
    most = {"page_limit": 1_000, "timeline_cap": 20_000, "log_cap": 100_000}
    services = one_reader(backend, **most)
    store, keys = services.engine.store, services.engine.store.keys
    store.command("DEL", keys.timeline(1))
    ids = [number << 12 for number in range(1, 20_001)]  # of user 0, who lives on shard 0
    store.command("LPUSH", keys.log(0), *ids)
    batch = store.batch()
    for post in ids[:1_001]:
        batch.add("SET", keys.post(post), '{"author_id":0,"text":"old","strategy":"write"}')
    batch.run()
    for how in STRATEGIES:
        page = services.engine.feed(1, how, 1_000)
        assert [post.id for post in page.items] == ids[1_000:0:-1]
        assert page.round_trips < 40


@pytest.mark.parametrize("others", [0, MOST_SENT - 1, MOST_SENT, 9_000])
def test_a_read_sends_few_pulled_authors_however_many_there_are(
    crowd: Services, others: int
) -> None:
    crowd.engine.follow(1, 19)  # never pulled
    post, _ = crowd.engine.publish(0, "hello", "read")
    batch, keys = crowd.engine.store.batch(), crowd.engine.store.keys
    for author in range(100_000, 100_000 + others):
        batch.add("HSET", keys.pulled(author % keys.shards), author, "1,0,0,read")
    batch.run()
    with patch.object(crowd.engine.store, "run", wraps=crowd.engine.store.run) as sending:
        for how in STRATEGIES:
            assert all_pages(crowd, 1, how) == [post.id]
            assert all_pages(crowd, 19, how) == []
    sent = [len(command) for call in sending.call_args_list for command in call.args[0]]
    assert max(sent) < MOST_SENT + 20


@pytest.fixture
def early(backend: Backend, settings: Settings) -> Iterator[Services]:
    """Services of a server whose clock stands before the epoch, which gave out no id yet."""
    with changed_lua(f"EPOCH_MS = {EPOCH_MS}", f"EPOCH_MS = {2 * EPOCH_MS}"):
        yield Services(settings, backend.store(settings.shards))


def test_ids_tell_their_shard_though_the_clock_stands_before_the_epoch(early: Services) -> None:
    add_users(early.engine.store, range(10))
    for author in range(4):
        early.engine.follow(9, author)
    early.engine.feed(9, "write")
    authors = [author for author in range(4) for _ in range(20)]
    ids = [early.engine.publish(author, "hello", "write")[0].id for author in authors]
    assert min(ids) > 0
    assert [shard_of_post(post) for post in ids] == authors
    deliver(early)
    for how in STRATEGIES:
        assert all_pages(early, 9, how) == sorted(ids, reverse=True)


def test_releases_stay_under_the_high_mark(backend: Backend) -> None:
    settings = small_settings(backlog_low=1, backlog_high=5, backlog_limit=100)
    services = Services(settings, backend.store(settings.shards))
    add_users(services.engine.store, range(200))
    authors = range(0, 80, settings.shards)  # all on one shard
    for author in authors:
        for reader in (101, 102, 103):
            services.engine.follow(reader, author)
        services.engine.publish(author, "deferred", "read")
        deferred = f"{all_pages(services, author, 'read')[0]},0,0,deferred"
        services.engine.store.command(
            "HSET", services.engine.store.keys.pulled(0), author, deferred
        )
    rounds = 0
    while services.engine.pulled_authors.all():
        services.engine.releases.run(force=True)
        assert services.engine.queue().backlog <= settings.backlog_high
        deliver(services)
        rounds += 1
        assert rounds < 100


def test_steady_traffic_starves_no_release(backend: Backend) -> None:
    """Authors whose single post passes the high mark, and a backlog that is never empty when
    somebody looks. One of the two is deferred again and again."""
    settings = small_settings(backlog_low=3, backlog_high=8, backlog_limit=12)
    services = Services(settings, backend.store(settings.shards))
    add_users(services.engine.store, range(20))
    busy, waiting, small = 0, 4, 8  # all on one shard
    for reader in (9, 10, 11, 13, 14, 15, 17, 18, 19):
        for author in (busy, waiting, small)[: 3 if reader < 12 else 2]:
            services.engine.follow(reader, author)
        services.engine.feed(reader, "write")

    def deferred(author: int) -> int:
        post, _ = services.engine.publish(author, "deferred", "read")
        value = services.engine.store.command(
            "HGET", services.engine.store.keys.pulled(0), author
        ).decode()
        services.engine.store.command(
            "HSET", services.engine.store.keys.pulled(0), author, value.replace("read", "deferred")
        )
        return post.id

    for author in (busy, waiting, busy, busy):
        deferred(author)
    for _ in range(5):
        deferred(busy)
        services.engine.publish(small, "steady", "write")
        assert services.engine.queue().backlogs[0] == 3
        services.engine.releases.run(force=True)
        assert services.engine.queue().backlogs[0] <= settings.backlog_limit
        deliver(services)
    assert waiting not in services.engine.pulled_authors.author_ids()
    assert busy in services.engine.pulled_authors.author_ids(), "it was deferred to the end"
    for how in STRATEGIES:
        assert len(all_pages(services, 9, how)) == 14


def test_an_author_with_more_followers_than_the_limit_stays_pulled(backend: Backend) -> None:
    settings = small_settings(backlog_low=1, backlog_high=2, backlog_limit=11)
    services = Services(settings, backend.store(settings.shards))
    add_readers(services, 0, READERS)
    post, fanout = services.engine.publish(0, "to twelve", "write")
    assert fanout.status == "pull"
    assert services.engine.releases.run(force=True) == 0
    assert all_pages(services, 1, "write") == [post.id]


def test_deferred_posts_are_counted_as_delivered_after_their_release(crowd: Services) -> None:
    deferred, _ = crowd.engine.publish(0, "deferred", "read")
    crowd.engine.publish(0, "pushed", "write")
    deliver(crowd)
    crowd.engine.releases.run(force=True)
    deliver(crowd)
    record = crowd.engine.fanout(deferred.id)
    assert (record.status, record.delivered, record.skipped) == ("done", len(READERS), 0)
    assert record.lag_ms is not None


def test_deferring_ends_when_the_backlog_has_drained_though_nobody_posts(backend: Backend) -> None:
    settings = small_settings(backlog_low=2, backlog_high=8, backlog_limit=30)
    services = Services(settings, backend.store(settings.shards))
    add_readers(services, 0, READERS)
    services.engine.publish(0, "one", "write")
    services.engine.publish(0, "two", "write")
    assert any(services.engine.queue().deferring)
    deliver(services)
    assert not any(services.engine.queue().deferring)


def test_a_lone_worker_notices_that_the_server_lost_its_last_writes(tmp_path: Path) -> None:
    settings = small_settings(redis_port=free_port())
    server = servers.start(tmp_path, settings.redis_port)
    try:
        client = redis.Redis(port=settings.redis_port, retry_on_error=[redis.ConnectionError])
        services = Services(settings, store_of(client, settings.shards))
        add_readers(services, 0, READERS)
        post, _ = services.engine.publish(0, "hello", "write")
        now = 0.0
        worker = services.engine.deliverer("only", lambda: now)
        worker.run_iteration()
        client.save()
        worker.run_iteration(6)  # delivered, and lost with the crash
        server.kill()
        server.wait()
        server = servers.start(tmp_path, settings.redis_port)
        for _ in range(10):
            worker.run_until_idle()
            worker.reclaiming.run()
            now += 0.6
        assert services.engine.fanout(post.id).status == "done"
        for reader in READERS:
            assert all_pages(services, reader, "write") == [post.id]
    finally:
        server.kill()
        server.wait()
