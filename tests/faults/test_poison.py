"""Jobs that always fail, that cannot be read, and that kill every worker that takes them."""

import time
from collections.abc import Callable

import pytest

from bench.processes import wait_until
from tests.faults.deadly_worker import DEADLY
from tests.faults.harness import SLACK, Rig

AUTHORS, FOLLOWERS = 10, 600


def test_a_job_that_always_fails_is_dead_lettered_and_the_others_go_on(
    start: Callable[..., Rig], tell: Callable[[str], None]
) -> None:
    rig = start()
    rig.load(dict.fromkeys(range(1, AUTHORS + 1), FOLLOWERS))
    rig.start_workers(2)
    rig.start_web()
    broken = rig.readers(1)[FOLLOWERS // 2]
    name = rig.store.keys.timeline(broken)
    rig.store.command("DEL", name)
    rig.store.command("SET", name, "no list")
    bad = rig.publish(1)
    begun = time.monotonic()
    lags: list[float] = []
    while not rig.queue().dead:
        assert time.monotonic() - begun < 30, "it was never put aside"
        good = rig.publish(2 + len(lags) % (AUTHORS - 1))
        _wait(rig, good)
        lags.append(rig.services.engine.fanout(good).lag_ms or 0.0)
        time.sleep(0.05)
    aside = time.monotonic() - begun
    client = rig.client()
    (dead_letter,) = client.get("/api/dead-letters")[1]["dead_letters"]
    counted = client.get("/api/metrics")[1]["queue"]
    rig.store.command("DEL", name)
    rig.store.command("RPUSH", name, 0)
    status, _ = client._call("POST", f"/api/dead-letters/{dead_letter['id']}/requeue", b"", {})
    rig.drain()
    found = rig.check()
    tell(
        f"put aside after {dead_letter['tries']} tries and {aside:.1f} s; {len(lags)} other posts "
        f"meanwhile, slowest lag {max(lags):.0f} ms; requeued: {found['missing']} missing, "
        f"{found['duplicate']} duplicate"
    )
    assert (dead_letter["post_id"], dead_letter["tries"]) == (bad, 5)
    assert "WRONGTYPE" in dead_letter["reason"]
    assert (counted["dead"], counted["backlog"], status) == (1, 0, 204)
    assert max(lags) < 1_000 * SLACK
    assert found["missing"] == found["duplicate"] == found["foreign"] == found["feeds"] == 0


@pytest.mark.parametrize("kind", ["kills", "unreadable"])
def test_a_job_that_kills_its_workers_or_cannot_be_read_is_dead_lettered(
    start: Callable[..., Rig], tell: Callable[[str], None], kind: str
) -> None:
    rig = start()
    rig.load(dict.fromkeys(range(1, AUTHORS + 1), FOLLOWERS))
    rig.services.engine.control.set(paused=True)
    if kind == "kills":
        rig.worker_command = ("-m", "tests.faults.deadly_worker", "worker")
    rig.start_workers(2)
    bad = rig.publish(DEADLY)
    if kind == "unreadable":
        rig.store.command("HSET", rig.store.keys.job(bad), "counts", "not, numbers")
    for n in range(40):
        rig.publish(2 + n % (AUTHORS - 1))
    rig.services.engine.control.set()
    begun, ended = time.monotonic(), 0
    while not rig.queue().dead:
        assert time.monotonic() - begun < 60, "it was never put aside"
        for name, process in list(rig.workers.items()):
            if process.poll() is not None:
                del rig.workers[name]
                ended += 1
                rig.start_worker()
        time.sleep(0.05)
    aside = time.monotonic() - begun
    rig.drain()
    (dead_letter,) = rig.services.engine.dead_letters.list()
    rig.posts[1].remove(bad)
    found = rig.check(sample=2)
    tell(
        f"put aside after it ended {ended} workers in {aside:.1f} s: {dead_letter.reason} "
        f"{found['missing']} of {found['deliveries']:,} other deliveries missing"
    )
    assert dead_letter.post_id == bad
    assert 1 <= ended <= 6 if kind == "kills" else ended == 0
    assert found["missing"] == found["duplicate"] == 0


def _wait(rig: Rig, post: int) -> None:
    def done() -> bool:
        return rig.services.engine.fanout(post).status == "done"

    wait_until(done, 10, "an ordinary post is delivered")
