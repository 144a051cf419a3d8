"""What the page says of causes: only what the store knows."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from app.bootstrap import Services
from app.datasets.kinds import KINDS
from app.engine.models import Comparison, Strategy
from app.engine.publishing.hybrid import MIN_MEASUREMENTS
from app.main import create_app
from app.web.pages import story
from tests.conftest import Backend, add_readers, small_settings
from tests.test_pages import services_of, text_of

STAR, READERS = 0, range(1, 9)


def crowd(backend: Backend, **changes: Any) -> FlaskClient:
    """Eight users follow the first one and have timelines."""
    settings = small_settings(**changes)
    client = create_app(settings, backend.store(settings.shards)).test_client()
    services = services_of(client)
    add_readers(services, STAR, READERS)
    for kind in KINDS:
        services.engine.store.command("RPUSH", services.engine.store.keys.directory(kind), STAR)
    return client


def told(client: FlaskClient, post_id: int) -> str:
    return text_of(client.get(f"/parts/stories?post={post_id}&reader=1"))


def publish(services: Services, strategy: Strategy) -> int:
    return services.engine.publish(STAR, f"by {strategy}", strategy)[0].id


PRESSED = {"backlog_low": 5, "backlog_high": 10, "backlog_limit": 1_000}


@pytest.mark.parametrize("strategy", ["write", "hybrid"])
def test_a_deferred_post_is_told_as_deferred(backend: Backend, strategy: Strategy) -> None:
    client = crowd(backend, celebrity_followers=100, **PRESSED)
    services = services_of(client)
    for _ in range(2):
        publish(services, "write")
    deferred = publish(services, strategy)
    assert services.engine.fanout(deferred).status == "pull"
    said = told(client, deferred)
    assert "Deferred by backpressure" in said
    assert "readers fetch it from the log" in said
    assert "cost" not in said
    assert "pushed again" not in said
    services.engine.deliverer("w").run_until_idle()
    services.engine.releases.run(force=True)
    services.engine.deliverer("w").run_until_idle()
    assert services.engine.fanout(deferred).status == "done"
    assert "8 deliveries" in told(client, deferred)
    assert "Deferred" not in told(client, deferred)


def test_the_lag_of_a_deferred_post_counts_from_its_acceptance(backend: Backend) -> None:
    services = services_of(crowd(backend, celebrity_followers=100, **PRESSED))
    for _ in range(2):
        publish(services, "write")
    deferred = publish(services, "write")
    record = services.engine.store.keys.job(deferred)
    accepted = int(services.engine.store.command("HGET", record, "accepted"))
    services.engine.store.command("HSET", record, "accepted", accepted - 60_000)
    services.engine.deliverer("w").run_until_idle()
    services.engine.releases.run(force=True)
    services.engine.deliverer("w").run_until_idle()
    lag = services.engine.fanout(deferred).lag_ms
    assert lag is not None
    assert lag >= 60_000


def test_a_release_that_drops_timelines_is_not_told_as_deliveries(backend: Backend) -> None:
    services = services_of(crowd(backend))
    first = publish(services, "read")
    for _ in range(200):
        publish(services, "read")
    publish(services, "write")  # the author returns to push, with too many posts to deliver
    services.engine.deliverer("w").run_until_idle()
    services.engine.releases.run(force=True)
    services.engine.deliverer("w").run_until_idle()
    found = services.engine.fanout(first)
    assert (found.status, found.delivered, found.skipped) == ("done", 0, len(READERS))


def test_a_post_that_hybrid_pulls_is_told_with_what_decided(backend: Backend) -> None:
    client = crowd(backend, celebrity_followers=7)
    services = services_of(client)
    said = told(client, publish(services, "hybrid"))
    assert "Hybrid chose pull" in said
    assert "7 followers" in said
    assert "measured costs" not in said
    for name, seconds in (("delivery", 1.0), ("log_fetch", 1e-6), ("log_merge", 1e-6)):
        services.engine.counters.cost(name, MIN_MEASUREMENTS, int(seconds * MIN_MEASUREMENTS * 1e9))
    services.engine.counters.flush(force=True)
    services.engine.publishing._hybrid._fresh_until = 0.0
    said = told(client, publish(services, "hybrid"))
    assert "Hybrid chose pull by measured costs" in said


def test_a_post_by_read_fan_out_needs_no_reason(backend: Backend) -> None:
    client = crowd(backend)
    page = client.get(f"/parts/stories?post={publish(services_of(client), 'read')}").text
    assert 'class="aside"' not in page


def test_the_state_of_a_fan_out_keeps_its_shape(backend: Backend) -> None:
    client = crowd(backend, **PRESSED)
    found: Any = client.get(f"/api/posts/{publish(services_of(client), 'read')}/fanout").json
    assert set(found) == {"post_id", "status", "recipients", "delivered", "skipped", "lag_ms"}


def compared(client: FlaskClient) -> str:
    return text_of(client.get("/parts/feeds?reader=1"))


def test_a_post_in_the_backlog_is_told_as_such(backend: Backend) -> None:
    client = crowd(backend)
    for _ in range(10):  # more than a page: the last of the others' pages is not missing
        publish(services_of(client), "write")
    services_of(client).engine.deliverer("w").run_until_idle()
    publish(services_of(client), "write")
    said = compared(client)
    assert "Write fan-out lacks 1 post" in said
    assert "1 of them is still to be delivered" in said
    assert "known" not in said


def test_a_post_whose_job_died_is_told_with_the_way_to_its_dead_letter(backend: Backend) -> None:
    client = crowd(backend)
    services = services_of(client)
    post = publish(services, "write")
    services.engine.store.command("HSET", services.engine.store.keys.job(post), "status", "dead")
    answer = client.get("/parts/feeds?reader=1")
    assert "1 of them is in the dead-letter queue" in text_of(answer)
    assert 'href="#dead"' in answer.text
    assert "still to be delivered" not in text_of(answer)


def test_a_pulled_post_is_told_with_the_age_of_the_copies(backend: Backend) -> None:
    client = crowd(backend, pulled_authors_cache_ms=60_000, log_cache_ms=2_000)
    here = services_of(client)
    here.engine.compare(1, 8)  # from here on this process believes that nobody is pulled
    other = services_of(create_app(here.settings, here.engine.store).test_client())
    publish(other, "read")
    said = compared(client)
    assert "1 of them is read by pull" in said
    assert "60 s" in said
    assert "still to be delivered" not in said


def test_a_post_delivered_between_the_reads_is_not_told_as_backlog(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = crowd(backend)
    services = services_of(client)
    publish(services, "write")
    page = services.engine.feeds.page

    def then_deliver(*args: Any) -> Any:
        feed = page(*args)
        services.engine.deliverer("w").run_until_idle()
        return feed

    monkeypatch.setattr(type(services.engine.feeds), "page", lambda _, *args: then_deliver(*args))
    said = compared(client)
    assert "1 of them has been delivered by now" in said
    assert "still to be delivered" not in said


def test_without_a_record_the_cause_is_not_known(backend: Backend) -> None:
    client = crowd(backend)
    services = services_of(client)
    post = publish(services, "write")
    services.engine.store.command("DEL", services.engine.store.keys.job(post))
    said = compared(client)
    assert "the cause is not known" in said
    assert "one after the other" in said


def test_an_explanation_costs_one_round_trip_and_equal_feeds_none(backend: Backend) -> None:
    client = crowd(backend)
    services = services_of(client)
    for _ in range(3):
        publish(services, "write")
    comparison = services.engine.compare(1, 8)
    with services.engine.store.meter.on() as cost:
        assert story.difference(services, comparison)
    assert cost.round_trips == 1
    same = Comparison(dict.fromkeys(comparison.strategies, comparison.strategies["read"]), True)
    with services.engine.store.meter.on() as cost:
        assert story.difference(services, same) is None
    assert cost.round_trips == 0
