"""The hybrid strategy's choice, and the logs it keeps."""

from hypothesis import given
from hypothesis import strategies as st

from app.bootstrap import Services
from app.engine.publishing.costs import Costs, prefers_pull
from app.engine.publishing.hybrid import MIN_MEASUREMENTS
from tests.conftest import Backend, add_users, small_settings

COSTS = Costs(delivery=2e-6, log_fetch=300e-6, log_merge=10e-6)


def test_rare_posts_are_pushed_and_frequent_ones_pulled() -> None:
    rare = COSTS.push(20_000, posts=1 / 3600), COSTS.pull(20_000 / 60, max_fetches=4)
    frequent = COSTS.push(20_000, posts=2), COSTS.pull(20, max_fetches=4)
    assert not prefers_pull(*rare, pulled_now=False)
    assert prefers_pull(*frequent, pulled_now=False)


@given(st.floats(0, 10), st.floats(0, 1e5), st.integers(1, 10**6), st.floats(0, 100), st.booleans())
def test_hysteresis_keeps_an_authors_mode_once_it_was_chosen(
    posts: float, reads: float, followers: int, fetches: float, pulled: bool
) -> None:
    push, pull = COSTS.push(followers, posts), COSTS.pull(reads, fetches)
    chosen = prefers_pull(push, pull, pulled_now=pulled)
    assert prefers_pull(push, pull, pulled_now=chosen) == chosen
    if push > 2 * pull:
        assert chosen
    if pull > 2 * push:
        assert not chosen


def crowd(backend: Backend, **changes: object) -> Services:
    settings = small_settings(**changes)
    services = Services(settings, backend.store(settings.shards))
    add_users(services.engine.store, range(20))
    for reader in range(1, 8):
        services.engine.follow(reader, 0)
        services.engine.feed(reader, "write")
    return services


def measure(services: Services, *, delivery: float, fetch: float, merge: float) -> None:
    for name, seconds in (("delivery", delivery), ("log_fetch", fetch), ("log_merge", merge)):
        services.engine.counters.cost(name, MIN_MEASUREMENTS, int(seconds * MIN_MEASUREMENTS * 1e9))
    services.engine.counters.flush(force=True)


def test_hybrid_chooses_by_the_threshold_until_costs_are_measured(backend: Backend) -> None:
    services = crowd(backend, celebrity_followers=7)
    assert services.engine.publish(0, "many followers", "hybrid")[1].status == "pull"
    assert services.engine.publish(1, "none", "hybrid")[1].status == "queued"
    assert services.snapshot()["hybrid"]["measured"] is False


def test_hybrid_pulls_where_measured_deliveries_cost_more_than_reads(backend: Backend) -> None:
    services = crowd(backend, celebrity_followers=1_000)
    measure(services, delivery=1.0, fetch=1e-6, merge=1e-6)
    for n in range(12):  # posts follow each other within the second, hardly anybody reads
        status = services.engine.publish(0, f"post {n}", "hybrid")[1].status
    assert status == "pull"
    assert (services.snapshot()["hybrid"]["delivery_us"] or 0) > 1000


def test_hybrid_pushes_cheap_deliveries_above_the_threshold(backend: Backend) -> None:
    services = crowd(backend, celebrity_followers=2)
    measure(services, delivery=1e-9, fetch=1.0, merge=1.0)
    for reader in range(1, 8):
        services.engine.feed(reader, "read")
    assert services.engine.publish(0, "hello", "hybrid")[1].status == "queued"


def test_cached_logs_of_pulled_authors_lead_to_the_feeds_end(backend: Backend) -> None:
    services = crowd(backend, log_cache_ms=60_000)
    ids = [services.engine.publish(0, f"post {n}", "read")[0].id for n in range(130)]
    seen: list[int] = []
    cursor = None
    while True:
        page = services.engine.feed(1, "hybrid", 40, cursor)
        seen += [post.id for post in page.items]
        if (cursor := page.next_cursor) is None:
            break
    assert seen == ids[::-1]
    assert services.snapshot()["hybrid"]["cache_hits"] > 0
