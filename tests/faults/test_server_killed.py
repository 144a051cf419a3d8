"""The server is killed under load and comes back with its append-only file."""

import random
import threading
import time
from collections.abc import Callable

import pytest

from tests.faults.harness import LONG, Rig, in_background, insist

ROUNDS = 8 if LONG else 1
CLIENTS, AUTHORS, FOLLOWERS = 6, 6, 1_000
UNSAVED_SECONDS = 2.0
"""`everysec` may lose what the server had answered for so long before it died: a second between
two syncs, and another when the disk is slow (redis.conf, appendfsync)."""


@pytest.mark.parametrize("append_only", ["always", "everysec"])
def test_a_killed_server_loses_no_post_that_its_durability_covers(
    start: Callable[..., Rig], tell: Callable[[str], None], append_only: str
) -> None:
    rig = start(append_only=append_only)
    rig.load(dict.fromkeys(range(1, AUTHORS + 1), FOLLOWERS))
    rig.services.engine.control.set(False, 100_000)
    rig.start_workers(2)
    rig.start_web()
    accepted: dict[str, tuple[int, int, float]] = {}
    unknown: dict[str, int] = {}
    statuses: set[int] = set()

    def post(number: int) -> Callable[[threading.Event], None]:
        def loop(over: threading.Event) -> None:
            client, count = rig.client(), 0
            while not over.wait(0.03):
                count += 1
                key, author = f"{number}-{count}", 1 + (number + count) % AUTHORS
                status, body = client.post(author, key, key)
                statuses.add(status)
                if status == 202:
                    accepted[key] = (author, int(body["post"]["id"]), time.monotonic())
                else:
                    unknown[key] = author

        return loop

    draw, deaths, away = random.Random(5), [], []
    with in_background(*(post(number) for number in range(CLIENTS))):
        for _ in range(ROUNDS):
            time.sleep(draw.uniform(0.8, 1.6))
            rig.kill_store()
            deaths.append(time.monotonic())
            time.sleep(0.2)
            rig.start_store()
            away.append(time.monotonic() - deaths[-1])
        time.sleep(1.0)
    client = rig.client()
    answered = len(accepted)
    lost = []
    for key, (author, post_id, at) in list(accepted.items()):
        # The same key gives the same post, unless the server has lost both.
        again = insist(client, author, key, key)
        if again != post_id:
            lost.append((key, min((death - at for death in deaths if death >= at), default=1e9)))
        rig.posts[author].append(again)
    for key, author in unknown.items():
        rig.posts[author].append(insist(client, author, key, key))
    rig.services.engine.control.set(False, None)
    rig.drain()
    found = rig.check()
    tell(
        f"appendfsync {append_only}: {ROUNDS} kills, back after {max(away):.1f} s at most; "
        f"{answered:,} posts answered 202, {len(lost)} of them lost; {len(unknown)} unknown and "
        f"repeated; {found['deliveries']:,} deliveries: {found['missing']} missing, "
        f"{found['duplicate']} duplicate"
    )
    assert 500 not in statuses
    if append_only == "always":
        assert lost == []
    assert all(before <= UNSAVED_SECONDS for _, before in lost), lost
    assert found["missing"] == found["duplicate"] == found["feeds"] == found["disordered"] == 0
    if not lost:
        assert found["foreign"] == 0
