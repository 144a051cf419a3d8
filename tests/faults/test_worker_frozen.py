"""A worker stops for seconds, another takes over, then the first wakes as a zombie."""

import os
import signal
import time
from collections.abc import Callable

from bench.processes import wait_until
from tests.faults.harness import LONG, SLACK, Rig, ms

FROZEN_SECONDS = 5.0 if LONG else 2.5
ROUNDS = 5 if LONG else 1
POSTS, FOLLOWERS = 30, 2_000


def test_a_frozen_worker_that_wakes_repeats_no_delivery(
    start: Callable[..., Rig], tell: Callable[[str], None]
) -> None:
    rig = start()
    rig.load(dict.fromkeys(range(1, 9), FOLLOWERS))
    takeovers = []
    for _ in range(ROUNDS):
        rig.services.engine.control.set(False, 50_000)
        rig.start_workers(2)
        for n in range(POSTS):
            rig.publish(1 + n % 8)
        wait_until(lambda: rig.services.engine.jobs.pending(500), 5, "a worker takes a job")
        frozen = rig.services.engine.jobs.pending(500)[0].worker
        process = rig.workers[frozen]
        os.kill(process.pid, signal.SIGSTOP)
        begun = time.monotonic()
        assert _has_jobs(rig, frozen), "it was stopped between two jobs"
        _wait_for_takeover(rig, frozen)
        takeovers.append(time.monotonic() - begun)
        # Some of the work is left for the zombie to meet.
        rig.services.engine.control.set(False, 8_000)
        time.sleep(max(0.0, FROZEN_SECONDS - takeovers[-1]))
        os.kill(process.pid, signal.SIGCONT)
        time.sleep(0.5)
        rig.services.engine.control.set(False, None)
        rig.drain()
        for name in list(rig.workers):
            rig.kill_worker(name)
    found = rig.check()
    tell(
        f"{ROUNDS} times stopped for {FROZEN_SECONDS} s, {found['deliveries']:,} deliveries: "
        f"{found['missing']} missing, {found['duplicate']} duplicate; taken over after "
        f"{ms(max(takeovers))} at most"
    )
    assert found["missing"] == found["duplicate"] == found["foreign"] == found["feeds"] == 0
    assert max(takeovers) <= 2.0 * SLACK


def _wait_for_takeover(rig: Rig, name: str) -> None:
    wait_until(lambda: not _has_jobs(rig, name), 10, "another worker takes over")


def _has_jobs(rig: Rig, name: str) -> bool:
    return any(job.worker == name for job in rig.services.engine.jobs.pending(500))
