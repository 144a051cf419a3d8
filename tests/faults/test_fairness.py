"""A celebrity's deliveries never stand in front of an ordinary post."""

import time
from collections.abc import Callable

from bench.processes import wait_until
from tests.faults.harness import LONG, SLACK, Rig, quantile

FOLLOWERS = 200_000 if LONG else 60_000
ORDINARY = 16
ROUNDS = 10 if LONG else 3


def test_ordinary_posts_do_not_wait_behind_a_celebritys_fan_out(
    start: Callable[..., Rig], tell: Callable[[str], None]
) -> None:
    rig = start()
    rig.load({1: FOLLOWERS, **{author: 30 * author for author in range(2, 2 + ORDINARY)}})
    rig.start_workers(2)
    idle = _lags(rig, [_ordinary(rig, n, pause=0.01) for n in range(60)])
    beside: list[int] = []
    slowest = 0.0
    for _ in range(ROUNDS):
        celebrity = rig.publish(1)
        while rig.services.engine.fanout(celebrity).status != "done":
            beside.append(_ordinary(rig, len(beside), pause=0.005))
        slowest = max(slowest, rig.services.engine.fanout(celebrity).lag_ms or 0.0)
    rig.drain()
    lags = _lags(rig, beside)
    found = rig.check()
    bound = max(2 * quantile(idle, 0.99), 250.0)
    tell(
        f"{FOLLOWERS:,} followers in {slowest:,.0f} ms at most; lag of ordinary posts p99 "
        f"{quantile(idle, 0.99):.0f} ms idle ({len(idle)}), {quantile(lags, 0.99):.0f} ms beside "
        f"it ({len(lags)}), bound {bound:.0f} ms; {found['missing']} missing"
    )
    assert len(lags) >= 5, "too few to tell"
    assert quantile(lags, 0.99) <= bound * SLACK
    assert found["missing"] == found["duplicate"] == found["foreign"] == 0


def _ordinary(rig: Rig, n: int, pause: float) -> int:
    post = rig.publish(2 + n % ORDINARY)
    time.sleep(pause)
    return post


def _lags(rig: Rig, posts: list[int]) -> list[float]:
    """Milliseconds from acceptance to the last delivery."""

    def done() -> bool:
        return all(rig.services.engine.fanout(post).status == "done" for post in posts)

    wait_until(done, 20, "ordinary posts are delivered")
    return [rig.services.engine.fanout(post).lag_ms or 0.0 for post in posts]
