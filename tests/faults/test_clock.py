"""The clock goes back an hour, for the server (by Debian's faketime) and all of our processes."""

import time
from collections.abc import Callable
from pathlib import Path

from bench.processes import wait_until
from tests.faults.harness import Rig, insist
from tests.skips import missing

HOUR = 3_600


def preload() -> str:
    """The library that fakes the clock."""
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    if not found:
        missing("faketime", "apt-get install faketime")
    return str(found[0])


def test_a_clock_set_back_an_hour_stops_no_delivery_and_no_reclaim(
    start: Callable[..., Rig], tell: Callable[[str], None], tmp_path: Path
) -> None:
    clock = tmp_path / "clock"
    clock.write_text("+0\n")
    for_server = {
        "LD_PRELOAD": preload(),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_CACHE_DURATION": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }
    shim = Path(__file__).parent / "clock"
    rig = start(server_env=for_server, FAULTS_CLOCK=str(clock), PYTHONPATH=str(shim))
    rig.load({1: 3_000, 2: 100})
    rig.start_workers(2)
    rig.start_web()
    client = rig.client()
    for n in range(20):
        rig.posts[2].append(insist(client, 2, f"before {n}", f"before-{n}"))
    rig.drain()
    before = client.get("/api/metrics")[1]
    server = rig.raw()
    asleep = rig.readers(2)[0]
    marker = rig.services.engine.data.timelines
    server.delete(rig.store.keys.timeline(asleep))
    assert marker.begin_rebuild(asleep), "a rebuild is under way when the clock jumps"
    rig.services.engine.control.set(False, 8_000)
    time.sleep(0.5)
    for n in range(10):
        rig.posts[1].append(insist(client, 1, f"under way {n}", f"under-way-{n}"))
    wall = server.time()[0]
    clock.write_text(f"-{HOUR}\n")
    wait_until(lambda: server.time()[0] < wall - HOUR / 2, 5, "the server's clock jumps")
    jumped = time.monotonic()
    # A worker is killed: its jobs must be reclaimed although the clock says they are fresh.
    victim = next(job.worker for job in rig.services.engine.jobs.pending(100))
    rig.kill_worker(victim)
    ready = []
    for _ in range(20):
        ready.append(client.get("/readyz")[0])
        time.sleep(0.05)
    wait_until(
        lambda: all(job.worker != victim for job in rig.services.engine.jobs.pending(100)),
        5,
        "the dead worker's jobs are reclaimed",
    )
    reclaimed = time.monotonic() - jumped
    # A dead worker must not look alive for an hour.
    wait_until(
        lambda: client.get("/api/metrics")[1]["workers"]["count"] == 1,
        6,
        "one is left",
    )
    again = insist(client, 2, "before 3", "before-3")
    fed = [client.get(f"/api/feed/{asleep}?strategy=write") for _ in range(2)]
    client.put("/api/workers", {"paused": True})
    time.sleep(0.5)
    for n in range(20):
        rig.posts[2].append(insist(client, 2, f"after {n}", f"after-{n}"))
    time.sleep(0.5)
    paused = rig.queue().backlog
    client.put("/api/workers", {"paused": False})
    drained = rig.drain(20)
    time.sleep(1.1)
    after = client.get("/api/metrics")[1]
    found = rig.check()
    latest, oldest = rig.posts[2][-20:], rig.posts[2][:20]
    tell(
        f"an hour back: ids rise ({latest[0] > oldest[-1]}), jobs of a killed worker "
        f"reclaimed after {reclaimed:.1f} s, drained in {drained:.1f} s: "
        f"{found['missing']} missing, {found['duplicate']} duplicate"
    )
    posts = [*oldest, *latest]
    assert posts == sorted(set(posts)), "ids are unique and rise"
    assert again == rig.posts[2][3], "the key is remembered"
    assert [status for status, _ in fed] == [200, 200]
    assert fed[1][1]["source"] == "timeline", "the marker from before was replaced"
    assert paused >= 20 * 100, "pausing works"
    assert set(ready) == {200}, ready
    assert before["fanout"]["posts_total"]["write"] == 20
    assert after["fanout"]["posts_total"]["write"] == 50
    assert after["processing"]["accept"]["write"]["count"] <= 51, "nothing is counted twice"
    assert after["queue"]["backlog"] == 0
    assert found["missing"] == found["duplicate"] == found["foreign"] == found["feeds"] == 0
