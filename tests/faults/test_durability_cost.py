"""What the append-only file costs: accepting posts and delivering them, without it, written out
every second, and before every answer (docs/decisions/014-durability.md has the figures)."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.faults.harness import LONG, Rig, ms, quantile

CLIENTS = 8
POSTS = 2_400 if LONG else 400
FOLLOWERS, ROUNDS, AT_ONCE = 20_000, 15 if LONG else 2, 4


@pytest.mark.parametrize("append_only", ["", "everysec", "always"])
def test_what_durability_costs(
    start: Callable[..., Rig], tell: Callable[[str], None], append_only: str
) -> None:
    rig = start(append_only=append_only)
    rig.load({1: FOLLOWERS, **dict.fromkeys(range(2, 2 + CLIENTS), 1)})
    seconds: list[float] = []

    def post(author: int) -> None:
        for _ in range(POSTS // CLIENTS):
            begun = time.perf_counter()
            rig.publish(author)
            seconds.append(time.perf_counter() - begun)

    post(2)  # connections and the library are there before it counts
    seconds.clear()
    begun = time.perf_counter()
    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(post, range(2, 2 + CLIENTS)))
    accepting = len(seconds) / (time.perf_counter() - begun)
    worker = rig.services.engine.deliverer("here")
    worker.run_until_idle()
    spent = 0.0
    for _ in range(ROUNDS):
        for _ in range(AT_ONCE):  # fewer than would make the shard defer them
            rig.publish(1)
        begun = time.perf_counter()
        worker.run_until_idle()
        spent += time.perf_counter() - begun
    delivering = ROUNDS * AT_ONCE * FOLLOWERS / spent
    lost = 0
    if append_only:
        time.sleep(0 if append_only == "always" else 2.2)
        rig.kill_store()
        rig.start_store()
        found = rig.check()
        lost = found["missing"]
        assert found["duplicate"] == found["foreign"] == 0
    tell(
        f"append-only file {append_only or 'off'}: {accepting:,.0f} posts/s by {CLIENTS} clients, "
        f"p50 {quantile(seconds, 0.5) * 1000:.1f} ms, p99 {ms(quantile(seconds, 0.99))}; "
        f"{delivering:,.0f} deliveries/s; {lost} lost by kill -9"
    )
    assert lost == 0
