"""Pause, resume and rate limit reach all workers within a second; the limit is shared and kept."""

import time
from collections.abc import Callable, Iterable

import pytest

from bench.processes import wait_until
from tests.faults.harness import LONG, SLACK, Rig, ms

AUTHORS, FOLLOWERS = 16, 2_000
RATE_LIMIT = 20_000
ROUNDS, SECONDS = (20, 10.0) if LONG else (2, 4.0)
LIMIT = 1_000
BURST = 600_000
"""Deliveries to make in each round: some at full speed, some limited, the rest at full speed."""
SETTLE_SECONDS = 1.0 * SLACK


def test_controls(start: Callable[..., Rig], tell: Callable[[str], None]) -> None:
    rig = start()
    rig.load(dict.fromkeys(range(1, AUTHORS + 1), FOLLOWERS))
    rig.start_workers(2)
    rig.start_web()
    client = rig.client()
    client.put("/api/workers", {"paused": True})
    time.sleep(1.0)
    for _ in range(6):  # more jobs than one worker keeps open
        for author in range(1, AUTHORS + 1):
            rig.publish(author)
    time.sleep(0.5)
    assert _processed(rig) == 0, "paused from the start"

    client.put("/api/workers", {"deliveries_per_second": RATE_LIMIT})
    begun = time.monotonic()
    while not _processed(rig):
        assert time.monotonic() - begun < 5
    resumed = time.monotonic() - begun
    time.sleep(1.0)
    first, at = _processed(rig), time.monotonic()
    time.sleep(1.5)
    rate = (_processed(rig) - first) / (time.monotonic() - at)
    shares = sorted(worker.delivered for worker in rig.services.engine.workers.live())

    client.put("/api/workers", {"paused": True})
    begun = last_change = time.monotonic()
    processed = _processed(rig)
    while time.monotonic() - begun < 1.5:
        now = _processed(rig)
        if now != processed:
            processed, last_change = now, time.monotonic()
    paused = last_change - begun
    remaining = rig.queue().backlog
    state = client.get("/api/metrics")[1]["workers"]

    client.put("/api/workers", {"paused": False})
    drained = rig.drain(20)
    found = rig.check()
    tell(
        f"resumed after {ms(resumed)}, paused after {ms(paused)}; rate limit {RATE_LIMIT:,}: "
        f"{rate:,.0f} deliveries/s by two workers ({shares[0]:,} and {shares[1]:,}); "
        f"the other {remaining:,} drained in {drained:.1f} s at full speed; "
        f"{found['missing']} missing"
    )
    assert resumed < 1.0 * SLACK
    assert paused < 1.0 * SLACK
    assert 0.75 / SLACK * RATE_LIMIT <= rate <= 1.15 * RATE_LIMIT
    assert shares[0] > 0
    assert (state["count"], state["paused"]) == (2, True)
    assert remaining > 0
    assert found["missing"] == found["duplicate"] == found["foreign"] == 0


@pytest.mark.timeout(900)
def test_a_rate_limit_after_full_speed_is_kept_from_its_first_second(
    start: Callable[..., Rig], tell: Callable[[str], None]
) -> None:
    rig = start(
        FANOUT_BACKLOG_HIGH=str(BURST), FANOUT_BACKLOG_LIMIT=str(BURST), FANOUT_STORE_TIMEOUT="10"
    )
    rig.load(dict.fromkeys(range(1, AUTHORS + 1), FOLLOWERS))
    rig.start_workers(2)
    rig.start_web()
    client = rig.client(timeout=30)

    def tell_workers(**controls: object) -> None:
        assert client.put("/api/workers", controls)[0] == 200, rig.log()

    rates, drained = [], []
    for _ in range(ROUNDS):
        tell_workers(paused=True)
        time.sleep(SETTLE_SECONDS)
        posts = [rig.publish(1 + n % AUTHORS) for n in range(BURST // FOLLOWERS)]
        tell_workers(paused=False)
        wait_until(lambda: rig.queue().backlog < 0.8 * BURST, 30, "a fifth is delivered")
        tell_workers(deliveries_per_second=LIMIT)
        time.sleep(SETTLE_SECONDS)
        before, at = _processed(rig, posts), time.monotonic()
        time.sleep(SECONDS)
        made, seconds = _processed(rig, posts) - before, time.monotonic() - at
        assert rig.queue().backlog > 0, "too little to do"
        rates.append(made / seconds)
        tell_workers(deliveries_per_second=None)
        drained.append(rig.drain(180))
    found = rig.check(sample=2)
    tell(
        f"limit {LIMIT:,}/s after full speed, {ROUNDS} times for {SECONDS:.0f} s: from "
        f"{min(rates):,.0f} to {max(rates):,.0f} deliveries/s by two workers; the rest drained in "
        f"{max(drained):.1f} s at most; {found['missing']} missing, {found['duplicate']} duplicate"
    )
    assert min(rates) >= 0.9 / SLACK * LIMIT
    assert max(rates) <= 1.1 * LIMIT
    assert found["missing"] == found["duplicate"] == found["foreign"] == 0


def _processed(rig: Rig, posts: Iterable[int] | None = None) -> int:
    """Deliveries made of these posts; of all by default."""
    if posts is None:
        posts = [post for mine in rig.posts.values() for post in mine]
    batch = rig.store.batch()
    for post in posts:
        for shard in range(rig.store.shards):
            batch.add("HGET", rig.store.keys.cursor(shard, post), "delivered")
    return sum(int(value or 0) for value in batch.run())
