"""The engine's promises, one by one; `tests/oracle` drives random histories through all of them."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import orjson
import pytest

from app.bootstrap import Services
from app.engine.errors import (
    BadRequest,
    KeyReused,
    Overloaded,
    SelfFollow,
    UnknownPost,
    UnknownUser,
)
from app.engine.models import STRATEGIES, Strategy
from app.engine.store.client import Store
from app.engine.store.keys import MAX_USER_ID
from tests.conftest import Backend, add_readers, add_users, all_pages, one_reader, small_settings

CELEBRITY, READERS = 0, range(1, 9)


@pytest.fixture
def crowd(services: Services) -> Services:
    """A celebrity whom eight readers follow; all have a timeline."""
    add_readers(services, CELEBRITY, READERS)
    return services


def deliver(services: Services) -> None:
    services.engine.deliverer("w").run_until_idle()


@pytest.mark.parametrize("how", STRATEGIES)
def test_a_post_reaches_every_follower(crowd: Services, how: Strategy) -> None:
    post, fanout = crowd.engine.publish(CELEBRITY, "hello", how)
    assert fanout.recipients == len(READERS)
    assert fanout.status == ("queued" if how == "write" else "pull")
    deliver(crowd)
    for reader in READERS:
        assert crowd.engine.compare(reader, 5).identical
        assert crowd.engine.feed(reader, how).items == [post]


def test_a_finished_fanout_counts_delivered_and_skipped_followers(crowd: Services) -> None:
    crowd.engine.follow(9, CELEBRITY)  # has no timeline: dormant
    post, _ = crowd.engine.publish(CELEBRITY, "hello", "write")
    deliver(crowd)
    fanout = crowd.engine.fanout(post.id)
    assert (fanout.status, fanout.recipients) == ("done", 9)
    assert (fanout.delivered, fanout.skipped) == (8, 1)
    assert fanout.lag_ms is not None
    assert crowd.engine.queue().backlog == 0


def test_an_author_sees_an_own_post_at_once_under_every_strategy(crowd: Services) -> None:
    crowd.engine.feed(CELEBRITY, "write")
    post, _ = crowd.engine.publish(CELEBRITY, "mine", "write")
    for how in STRATEGIES:
        assert crowd.engine.feed(CELEBRITY, how).items == [post]


@pytest.mark.parametrize("how", STRATEGIES)
def test_a_page_in_json_is_the_page(crowd: Services, how: Strategy) -> None:
    texts = ['"quoted" {braces}, \\', "two\nlines\u2028three", "null", "Grüße 👋"]
    deleted, *_ = [crowd.engine.publish(CELEBRITY, text, how)[0] for text in ["no", *texts, "top"]]
    deliver(crowd)
    crowd.engine.delete(deleted.id)
    for limit, cursor in ((2, None), (9, None), (3, crowd.engine.feed(1, how, 2).next_cursor)):
        page = crowd.engine.feed(1, how, limit, cursor)
        answer = orjson.loads(crowd.engine.feed_json(1, how, limit, cursor))
        assert answer["timing_ms"].keys() == page.timing_ms.keys()
        expected = orjson.loads(orjson.dumps(replace(page, timing_ms=answer["timing_ms"])))
        assert answer == expected


@pytest.mark.timeout(20)
def test_a_page_of_a_timeline_out_of_order_ends(crowd: Services) -> None:
    posts = [crowd.engine.publish(CELEBRITY, f"post {n}", "write")[0] for n in range(6)]
    deliver(crowd)
    timeline = crowd.engine.store.keys.timeline(1)
    crowd.engine.store.command("RPOP", timeline)
    crowd.engine.store.command("LPUSH", timeline, posts[0].id - 1)
    assert len(crowd.engine.feed(1, "write").items) <= len(posts)


def test_post_ids_rise_when_the_servers_clock_is_set_back(crowd: Services) -> None:
    first, _ = crowd.engine.publish(CELEBRITY, "before", "write")
    # The shard has given out an id of an hour from now: as if its clock had been there.
    ahead = first.id + (3_600_000 << 12)
    crowd.engine.store.command("SET", crowd.engine.store.keys.last_id(0), ahead)
    ids = [crowd.engine.publish(CELEBRITY, f"post {n}", "write")[0].id for n in range(40)]
    assert ids == sorted(set(ids))
    assert ids[0] > ahead
    deliver(crowd)
    assert all_pages(crowd, 1, "write") == [*ids[::-1], first.id]


def test_a_follow_brings_old_posts_and_an_unfollow_removes_them(crowd: Services) -> None:
    post, _ = crowd.engine.publish(CELEBRITY, "hello", "write")
    deliver(crowd)
    crowd.engine.feed(9, "write")
    crowd.engine.follow(9, CELEBRITY)
    assert [crowd.engine.feed(9, how).items for how in STRATEGIES] == [[post]] * 3
    crowd.engine.unfollow(9, CELEBRITY)
    assert [crowd.engine.feed(9, how).items for how in STRATEGIES] == [[]] * 3


def test_a_deleted_post_leaves_every_feed_and_the_page_is_filled_up(crowd: Services) -> None:
    posts = [crowd.engine.publish(CELEBRITY, f"post {n}", "write")[0] for n in range(5)]
    deliver(crowd)
    crowd.engine.delete(posts[3].id)
    for how in STRATEGIES:
        page = crowd.engine.feed(1, how, 3)
        assert page.items == [posts[4], posts[2], posts[1]]
        assert page.next_cursor is not None
    with pytest.raises(UnknownPost):
        crowd.engine.post(posts[3].id)
    with pytest.raises(UnknownPost):
        crowd.engine.delete(posts[3].id)


def test_only_the_last_page_of_a_feed_has_no_next_cursor(crowd: Services) -> None:
    for n in range(4):
        crowd.engine.publish(CELEBRITY, f"post {n}", "write")
    deliver(crowd)
    for how in STRATEGIES:
        assert crowd.engine.feed(1, how, 4).next_cursor is None
        assert crowd.engine.feed(1, how, 3).next_cursor is not None


def test_a_page_from_a_timeline_takes_one_round_trip_and_two_on_a_cluster(crowd: Services) -> None:
    crowd.engine.publish(CELEBRITY, "hello", "write")
    deliver(crowd)
    crowd.engine.feed(1, "write")
    page = crowd.engine.feed(1, "write")
    wanted = 2 if crowd.engine.store.is_cluster else 1
    assert page.commands == page.round_trips == wanted


def test_going_back_to_push_delivers_the_deferred_posts(crowd: Services) -> None:
    deferred = [crowd.engine.publish(CELEBRITY, f"deferred {n}", "read")[0].id for n in range(3)]
    pushed = crowd.engine.publish(CELEBRITY, "pushed", "write")[0].id
    deliver(crowd)
    assert crowd.engine.releases.run(force=True) == 1
    deliver(crowd)
    assert crowd.snapshot()["backpressure"]["pull_authors"] == 0
    for reader in READERS:
        assert all_pages(crowd, reader, "write") == [pushed, *deferred[::-1]]
    assert {crowd.engine.fanout(post).status for post in deferred} == {"done"}


def test_a_dead_workers_job_is_reclaimed_and_no_delivery_is_made_twice(crowd: Services) -> None:
    now = 0.0
    dead, alive = (crowd.engine.deliverer(name, lambda: now) for name in ("dead", "alive"))
    post, _ = crowd.engine.publish(CELEBRITY, "hello", "write")
    dead.run_iteration()  # takes the job
    dead.run_iteration(3)  # delivers to three
    alive.reclaiming.run()
    now = 0.9
    assert alive.reclaiming.run() == 0, "its heartbeat is less than a second old"
    now = 1.2
    assert alive.reclaiming.run() == 1
    alive.run_until_idle()
    dead.run_until_idle()  # a zombie: harmless
    fanout = crowd.engine.fanout(post.id)
    assert (fanout.status, fanout.delivered) == ("done", len(READERS))
    for reader in READERS:
        assert all_pages(crowd, reader, "write") == [post.id]


def test_a_job_with_a_heartbeat_is_not_reclaimed(crowd: Services) -> None:
    now = 0.0
    slow, other = (crowd.engine.deliverer(name, lambda: now) for name in ("slow", "other"))
    crowd.engine.publish(CELEBRITY, "hello", "write")
    slow.run_iteration()
    for _ in range(10):
        now += 0.6
        slow.run_iteration(0)
        assert other.reclaiming.run() == 0


def test_the_token_budget_bounds_an_iteration(crowd: Services) -> None:
    worker = crowd.engine.deliverer("w")
    crowd.engine.publish(CELEBRITY, "hello", "write")
    worker.run_iteration()
    worker.run_iteration(2)
    assert worker.delivered == 2


def test_the_token_budget_counts_deliveries_and_is_exceeded_by_less_than_a_follower(
    backend: Backend,
) -> None:
    services = one_reader(backend, log_cap=100, timeline_cap=50, chunk=200)
    add_users(services.engine.store, range(9))
    for reader in range(2, 9):
        services.engine.follow(reader, 0)
        services.engine.feed(reader, "write")
    deferred = [services.engine.publish(0, f"deferred {n}", "read")[0].id for n in range(20)]
    pushed = services.engine.publish(0, "pushed", "write")[0].id
    deliver(services)
    services.engine.releases.run(force=True)
    services.engine.counters.flush(force=True)
    cost = services.engine.counters.read().total["cost:delivery"]
    worker = services.engine.deliverer("w")
    worker.run_iteration()  # takes the release
    for tokens, delivered in ((2, 21), (0, 21), (21, 42), (41, 84), (42, 126)):
        worker.run_iteration(tokens)
        assert worker.delivered == worker.processed == delivered
    services.engine.counters.flush(force=True)
    assert services.engine.counters.read().total["cost:delivery"] - cost == 126
    worker.run_until_idle()
    for reader in range(1, 9):
        assert all_pages(services, reader, "write") == [pushed, *deferred[::-1]]


def test_an_idempotency_key_makes_a_post_once(crowd: Services) -> None:
    first = crowd.engine.publish(CELEBRITY, "hello", "write", "key-1")
    again = crowd.engine.publish(CELEBRITY, "hello", "write", "key-1")
    assert again == first
    with pytest.raises(KeyReused):
        crowd.engine.publish(CELEBRITY, "other", "write", "key-1")
    with pytest.raises(BadRequest):
        crowd.engine.publish(CELEBRITY, "hello", "write", "with space")


def test_fifty_parallel_requests_with_one_idempotency_key_make_one_post(
    crowd: Services, backend: Backend
) -> None:
    def publish(_: int) -> int:
        return crowd.engine.publish(CELEBRITY, "hello", "write", "same")[0].id

    with ThreadPoolExecutor(10) as pool:
        assert len(set(pool.map(publish, range(50)))) == 1
    deliver(crowd)
    assert len(all_pages(crowd, 1, "write")) == 1


def test_a_high_backlog_defers_large_authors_and_sheds_at_the_limit(backend: Backend) -> None:
    settings = small_settings(
        backlog_low=2, backlog_high=8, backlog_limit=10, large_author_followers=4
    )
    services = Services(settings, backend.store(settings.shards))
    add_readers(services, CELEBRITY, READERS)
    small = 4  # lives on the celebrity's shard
    for reader in (1, 2, 3):
        services.engine.follow(reader, small)
    assert services.engine.publish(CELEBRITY, "one", "write")[1].status == "queued"
    deferred, fanout = services.engine.publish(CELEBRITY, "two", "write")
    assert fanout.status == "pull"
    assert services.snapshot()["backpressure"]["stage"] == "shedding"
    assert services.engine.feed(1, "write").items[0] == deferred, "readers see it at once"
    with pytest.raises(Overloaded):
        services.engine.publish(small, "three followers do not fit", "write")
    assert max(services.engine.queue().backlogs) <= 10
    deliver(services)
    assert services.engine.releases.run(force=True) == 1
    deliver(services)
    assert services.snapshot()["backpressure"]["pull_authors"] == 0
    assert services.snapshot()["backpressure"]["stage"] == "normal"
    assert len(all_pages(services, 1, "write")) == 2


def test_a_failing_job_becomes_a_dead_letter_and_can_be_requeued(crowd: Services) -> None:
    now = 0.0
    worker = crowd.engine.deliverer("w", lambda: now)
    broken = crowd.engine.store.keys.followers(1, CELEBRITY)
    post, _ = crowd.engine.publish(CELEBRITY, "poison", "write")
    crowd.engine.store.command("RENAME", broken, crowd.engine.store.keys.followers(1, 99))
    crowd.engine.store.command("SET", broken, "no list")
    for _ in range(20):
        worker.run_iteration()
        worker.reclaiming.run()
        now += 0.6
    assert crowd.engine.fanout(post.id).status == "dead"
    assert crowd.engine.queue().backlog == 0
    (dead_letter,) = crowd.engine.dead_letters.list(10)
    assert "WRONGTYPE" in dead_letter.reason
    crowd.engine.store.command("DEL", broken)
    crowd.engine.store.command("RENAME", crowd.engine.store.keys.followers(1, 99), broken)
    crowd.engine.dead_letters.requeue(dead_letter.id)
    worker.run_until_idle()
    assert crowd.engine.fanout(post.id).status == "done"
    for reader in READERS:
        assert all_pages(crowd, reader, "write") == [post.id]


def test_a_job_whose_stream_entry_is_lost_is_queued_again(crowd: Services) -> None:
    post, _ = crowd.engine.publish(CELEBRITY, "hello", "write")
    crowd.engine.store.command("XTRIM", crowd.engine.store.keys.jobs(0), "MAXLEN", 0)
    deliver(crowd)
    assert crowd.engine.fanout(post.id).status == "queued"
    assert crowd.engine.jobs.sweep() == 1
    deliver(crowd)
    assert crowd.engine.fanout(post.id).status == "done"


def test_unknown_users_and_posts_are_refused(crowd: Services) -> None:
    for wrong in (500, MAX_USER_ID - 1, MAX_USER_ID + 5):
        with pytest.raises(UnknownUser):
            crowd.engine.publish(wrong, "hello", "write")
        for how in STRATEGIES:
            with pytest.raises(UnknownUser):
                crowd.engine.feed(wrong, how)
        with pytest.raises(UnknownUser):
            crowd.engine.follow(1, wrong)
    with pytest.raises(SelfFollow):
        crowd.engine.follow(1, 1)
    for wrong in (-1, 0, 2**52, 2**80):
        with pytest.raises(UnknownPost):
            crowd.engine.post(wrong)
        with pytest.raises(UnknownPost):
            crowd.engine.fanout(wrong)


def test_a_log_keeps_its_newest_posts_up_to_the_cap(backend: Backend) -> None:
    services = one_reader(backend, log_cap=5)
    ids = [services.engine.publish(0, f"post {n}", "write")[0].id for n in range(9)]
    deliver(services)
    for how in STRATEGIES:
        assert all_pages(services, 1, how) == ids[:3:-1]


def test_a_restarted_server_gets_the_function_library_again(crowd: Services, store: Store) -> None:
    if store.is_cluster:
        store.redis.execute_command("FUNCTION FLUSH", target_nodes="primaries")
    else:
        store.redis.function_flush()
    post, _ = crowd.engine.publish(CELEBRITY, "hello", "write")
    deliver(crowd)
    assert all_pages(crowd, 1, "write") == [post.id]


def test_a_post_that_lies_deep_in_a_timeline_is_not_inserted_again(backend: Backend) -> None:
    services = one_reader(backend, timeline_cap=20)
    engine = services.engine
    posts = [engine.publish(0, f"post {n}", "write")[0].id for n in range(12)]
    engine.deliverer("w").run_until_idle()
    again = orjson.dumps([["1", "0", 9, [str(posts[2])]]])  # as a job of another id
    keys, shard = engine.store.keys, 1 % engine.store.shards
    engine.store.call("deliver", keys.watermark(shard), keys.tag(1), 20, 2, again)
    assert all_pages(services, 1, "write") == posts[::-1]
