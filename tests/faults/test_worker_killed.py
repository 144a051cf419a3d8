"""Workers are killed at random moments: nothing is missing, nothing is twice, and what they had
taken goes on within two seconds."""

import random
import threading
import time
from collections.abc import Callable

from tests.faults.harness import LONG, SLACK, Rig, in_background, ms, quantile

KILLS = 100 if LONG else 5
AUTHORS, FOLLOWERS = 20, 1_000
BURST = 40
RATE_LIMIT = 60_000
"""Deliveries a second: slow enough that every kill finds jobs half done."""
QUIET = 0.5, 1.2
"""Seconds between two kills. Whoever takes a dead worker's jobs over has watched them for a second,
so somebody must live that long: kills that follow each other faster leave nobody who has."""


class Watch:
    """Measures how long the jobs of a killed worker stay with it."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self._orphans: dict[tuple[int, str], tuple[str, float]] = {}
        self._lock = threading.Lock()
        self.seconds: list[float] = []

    def killed(self, worker: str) -> None:
        now = time.monotonic()
        with self._lock:
            for job in self._rig.services.engine.jobs.pending(500):
                if job.worker == worker:
                    self._orphans[job.shard, job.entry] = (worker, now)

    def run(self, over: threading.Event) -> None:
        while not over.is_set():
            owners = {
                (j.shard, j.entry): j.worker for j in self._rig.services.engine.jobs.pending(500)
            }
            now = time.monotonic()
            with self._lock:
                for position, (worker, since) in list(self._orphans.items()):
                    if owners.get(position) != worker:
                        self.seconds.append(now - since)
                        del self._orphans[position]
            over.wait(0.02)


def test_workers_killed_at_random_moments_lose_and_repeat_no_delivery(
    start: Callable[..., Rig], tell: Callable[[str], None]
) -> None:
    rig = start()
    rig.load(dict.fromkeys(range(1, AUTHORS + 1), FOLLOWERS))
    rig.services.engine.control.set(False, RATE_LIMIT)
    rig.start_workers(3)
    draw, watch = random.Random(7), Watch(rig)
    with in_background(watch.run):
        for _ in range(KILLS):
            while rig.queue().backlog > 3 * BURST * FOLLOWERS:
                time.sleep(0.05)
            time.sleep(draw.uniform(*QUIET))
            for _ in range(BURST):
                rig.publish(draw.randint(1, AUTHORS))
            time.sleep(draw.uniform(0, 0.3))
            busy = {job.worker for job in rig.services.engine.jobs.pending(500)}.intersection(
                rig.workers
            )
            victim = draw.choice(sorted(busy) or list(rig.workers))  # one may have all the jobs
            rig.kill_worker(victim)
            watch.killed(victim)
            rig.start_worker()
        rig.services.engine.control.set(False, None)
        rig.drain()
    found = rig.check()
    total = rig.services.engine.counters.read().total
    tell(
        f"{KILLS} kills, {found['deliveries']:,} deliveries, {len(watch.seconds)} orphaned jobs: "
        f"{found['missing']} missing, {found['duplicate']} duplicate; redelivery p50 "
        f"{ms(quantile(watch.seconds, 0.5))}, p99 {ms(quantile(watch.seconds, 0.99))}"
    )
    if LONG:
        assert found["deliveries"] >= 2_000_000
    assert watch.seconds, "no kill found a job under way"
    assert found["missing"] == found["duplicate"] == found["foreign"] == found["feeds"] == 0
    assert found["disordered"] == 0
    assert quantile(watch.seconds, 0.99) <= 2.0 * SLACK
    assert rig.queue().dead == 0
    assert total["reclaims"] > 0
