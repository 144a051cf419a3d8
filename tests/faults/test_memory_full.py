"""The server reaches its maxmemory (noeviction) in the middle of deliveries."""

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from bench.processes import wait_until
from tests.faults.harness import LONG, SLACK, Rig, insist

FOLLOWERS = 20_000 if LONG else 4_000
POSTS = 60 if LONG else 20


def test_a_full_server_refuses_posts_serves_reads_and_recovers(
    start: Callable[..., Rig], tell: Callable[[str], None]
) -> None:
    rig = start(server_options=("--maxmemory-policy", "noeviction"))
    rig.load({1: FOLLOWERS, 2: 100})
    rig.services.engine.control.set(False, 40_000)
    rig.start_workers(2)
    rig.start_web()
    raw, client = rig.raw(), rig.client()
    for n in range(POSTS):
        rig.publish(1, f"post {n}")
    time.sleep(0.3)
    raw.config_set("maxmemory", int(raw.info("memory")["used_memory"]))
    wait_until(lambda: client.get("/readyz")[0] == 503, 20, "the store is full")
    # Buffers come and go around the limit: well below it there is no doubt.
    raw.config_set("maxmemory", int(int(raw.info("memory")["used_memory"]) * 0.9))
    posts = Counter(client.post(2, f"refused {n}", f"key-{n}")[0] for n in range(20))
    slowest = 0.0
    reads: Counter[tuple[str, int]] = Counter()
    dormant = rig.readers(2)[0]
    raw.delete(rig.store.keys.timeline(dormant))
    reader = rig.readers(1)[0]
    for path in (
        f"/api/feed/{reader}?strategy=write",
        f"/api/feed/{reader}?strategy=read",
        f"/api/feed/{dormant}?strategy=write",
        f"/api/compare/{dormant}",
        "/api/metrics",
        "/metrics",
        "/healthz",
        "/readyz",
    ):
        for _ in range(5):
            reads[path, client.get(path)[0]] += 1
            slowest = max(slowest, client.seconds)
    time.sleep(1.5 if not LONG else 10)
    partly = _partly_delivered(rig)
    full_backlog = rig.queue().backlog
    workers = len(rig.services.engine.workers.live())
    controlled = client.put("/api/workers", {"deliveries_per_second": 40_000})[0]
    raw.config_set("maxmemory", 0)
    rig.services.engine.control.set()
    begun = time.monotonic()
    for n in range(20):
        rig.posts[2].append(insist(client, 2, f"refused {n}", f"key-{n}"))
    healed = time.monotonic() - begun
    rig.drain()
    client.get(f"/api/feed/{dormant}?strategy=write")
    found = rig.check()
    tell(
        f"full with {full_backlog:,} deliveries to go: posts {dict(posts)}, reads "
        f"{sorted({status for (path, status) in reads if path != '/readyz'})}, slowest "
        f"{slowest * 1000:.0f} ms, {partly} chunks partly delivered, {workers} workers alive; "
        f"healed in {healed:.2f} s: {found['missing']} missing, {found['duplicate']} duplicate"
    )
    assert set(posts) == {503}
    assert {status for (path, status) in reads if path != "/readyz"} == {200}, reads
    assert reads["/readyz", 503] == 5
    assert partly == 0
    assert full_backlog > 0, "nothing was under way when it was full"
    assert (workers, controlled) == (2, 200)
    assert healed < 2 * SLACK
    assert found["missing"] == found["duplicate"] == found["foreign"] == found["feeds"] == 0


def _partly_delivered(rig: Rig) -> int:
    """Jobs whose cursor does not tell exactly who has the post."""
    wrong = 0
    shards = rig.store.shards
    for post in rig.posts[1]:
        for shard in range(shards):
            remaining: Any = rig.store.command(
                "HGET", rig.store.keys.cursor(shard, post), "remaining"
            )
            followers = rig.store.command("LRANGE", rig.store.keys.followers(shard, 1), 0, -1)
            batch = rig.store.batch()
            for follower in followers:
                batch.add("LPOS", rig.store.keys.timeline(int(follower)), post)
            there = [position is not None for position in batch.run()]
            cursor = len(followers) if remaining is None else int(remaining)
            wrong += there != [False] * cursor + [True] * (len(followers) - cursor)
    return wrong
