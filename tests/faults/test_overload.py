"""Ten times the load that the workers deliver: the bound holds, readers notice nothing, what was
accepted arrives, what was not was refused clearly."""

import random
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from tests.faults.harness import LONG, SLACK, Rig, in_background, ms, quantile

SECONDS = 30.0 if LONG else 5.0
BEFORE_SECONDS = 6.0 if LONG else 2.0
CAPACITY = 30_000 if LONG else 10_000
"""Deliveries a second that the workers are allowed, so that the machine's cores are no limit and
reads before and during the overload are comparable."""
LARGE, LARGE_FOLLOWERS, LARGE_RATE = 8, 5_000, CAPACITY * 7 / 5_000
SMALL, SMALL_FOLLOWERS, SMALL_RATE = 16, 900, CAPACITY * 3.2 / 900
LOW, HIGH, LIMIT = CAPACITY // 5, CAPACITY * 3 // 5, CAPACITY
"""Deliveries of a shard; the eight shards together hold eight seconds of work at most."""


class Load:
    """Clients that post at a fixed rate, whatever they are answered, and clients that read."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self.accepted: list[tuple[int, int]] = []
        self.statuses: Counter[int] = Counter()
        self.deferred = 0
        self.offered = 0
        self.reads: list[float] = []
        self.bad_reads: Counter[int] = Counter()

    def posts(self, authors: list[int], rate: float) -> Callable[[threading.Event], None]:
        """Posts by these authors in turn, `rate` a second."""

        def loop(over: threading.Event) -> None:
            client, next_at, count = self._rig.client(), time.monotonic(), 0
            name = secrets.token_hex(4)
            while not over.wait(max(0.0, next_at - time.monotonic())):
                next_at += 1 / rate
                author = authors[count % len(authors)]
                count += 1
                self.offered += len(self._rig.readers(author))
                status, body = client.post(author, f"post {count}", f"{name}-{count}")
                self.statuses[status] += 1
                if status == 202:
                    self.accepted.append((author, int(body["post"]["id"])))
                    self.deferred += body["fanout"]["status"] == "pull"

        return loop

    def read(self, over: threading.Event) -> None:
        """Reads feeds of random readers, 50 a second."""
        client, draw = self._rig.client(), random.Random(1)
        authors = list(range(1, LARGE + SMALL + 1))
        while not over.wait(0.02):
            reader = draw.choice(self._rig.readers(draw.choice(authors)))
            status, _ = client.get(
                f"/api/feed/{reader}?strategy={draw.choice(('write', 'hybrid'))}"
            )
            self.reads.append(client.seconds)
            self.bad_reads[status] += status != 200


def test_ten_times_the_load_is_deferred_and_shed_and_nothing_accepted_is_lost(
    start: Callable[..., Rig], tell: Callable[[str], None]
) -> None:
    rig = start(
        FANOUT_BACKLOG_LOW=str(LOW), FANOUT_BACKLOG_HIGH=str(HIGH), FANOUT_BACKLOG_LIMIT=str(LIMIT)
    )
    large, small = list(range(1, LARGE + 1)), list(range(LARGE + 1, LARGE + SMALL + 1))
    rig.load({**dict.fromkeys(large, LARGE_FOLLOWERS), **dict.fromkeys(small, SMALL_FOLLOWERS)})
    rig.services.engine.control.set(False, CAPACITY)
    rig.start_workers(2)
    rig.start_web()
    fullest = [0]
    stages: list[str] = []

    def watch(over: threading.Event) -> None:
        raw = rig.raw()
        while not over.wait(0.005):
            pipe = raw.pipeline(transaction=False)
            for shard in range(rig.store.shards):
                pipe.hget(rig.store.keys.backlog(shard), "deliveries")
            fullest[0] = max(fullest[0], *(int(value or 0) for value in pipe.execute()))

    def look(over: threading.Event) -> None:
        client = rig.client()
        while not over.wait(0.1):
            stage = client.get("/api/metrics")[1]["backpressure"]["stage"]
            if not stages or stages[-1] != stage:
                stages.append(stage)

    before = Load(rig)
    with in_background(before.posts(small, CAPACITY / SMALL_FOLLOWERS), before.read, watch, look):
        time.sleep(BEFORE_SECONDS / 3)
        peak = _rate(rig, BEFORE_SECONDS * 2 / 3)
    over_load = Load(rig)
    loops = [over_load.posts(large, LARGE_RATE), over_load.read, watch, look]
    loops += [over_load.posts(small, SMALL_RATE / 4) for _ in range(4)]
    with in_background(*loops):
        time.sleep(SECONDS / 4)
        goodput = _rate(rig, SECONDS * 3 / 4)
    offered = over_load.offered / SECONDS
    deferred = [
        pulled_author
        for pulled_author in rig.services.engine.pulled_authors.all()
        if pulled_author.why == "deferred"
    ]
    rig.services.engine.control.set()
    begun = time.monotonic()
    rig.drain(
        60 * (4 if LONG else 1)
    )  # nobody publishes: the workers alone must release what was deferred
    drained = time.monotonic() - begun
    client = rig.client()
    last: Any = client.get("/api/metrics")[1]
    for author, post in [*before.accepted, *over_load.accepted]:
        rig.posts[author].append(post)
    found = rig.check()
    p99 = {name: quantile(load.reads, 0.99) for name, load in (("b", before), ("o", over_load))}
    tell(
        f"offered {offered:,.0f} deliveries/s for {SECONDS:.0f} s, {offered / peak:.1f} x the peak "
        f"of {peak:,.0f}; goodput {goodput:,.0f} ({goodput / peak:.0%}); fullest shard "
        f"{fullest[0]:,} of {LIMIT:,}; posts {dict(over_load.statuses)}, "
        f"{over_load.deferred} deferred; "
        f"reads p99 {ms(p99['b'])} before, {ms(p99['o'])} during; stages {' '.join(stages)}; "
        f"drained and released in {drained:.1f} s; {found['deliveries']:,} deliveries: "
        f"{found['missing']} missing, {found['duplicate']} duplicate"
    )
    assert offered >= 8 * peak
    assert 0 < fullest[0] <= LIMIT
    assert goodput >= (0.9 if LONG else 0.7) * peak
    assert set(over_load.statuses) == {202, 503}
    assert over_load.deferred > 0
    assert deferred, "large authors are deferred"
    assert +before.bad_reads == +over_load.bad_reads == Counter()
    assert p99["o"] <= (1.5 * p99["b"] + 0.01) * SLACK
    assert stages[0] == "normal"
    assert {"deferring", "shedding"} <= set(stages)
    assert last["backpressure"]["stage"] == "normal"
    assert last["backpressure"]["pull_authors"] == 0
    assert found["missing"] == found["duplicate"] == found["foreign"] == found["feeds"] == 0


def _rate(rig: Rig, seconds: float) -> float:
    """Deliveries a second, from now on."""
    begun, first = time.monotonic(), _made(rig)
    time.sleep(seconds)
    return (_made(rig) - first) / (time.monotonic() - begun)


def _made(rig: Rig) -> int:
    return sum(worker.delivered for worker in rig.services.engine.workers.live())
