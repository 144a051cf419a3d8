"""Web processes are killed in the middle of posting; clients repeat with their keys."""

import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from tests.faults.harness import LONG, Rig, in_background, insist

SECONDS = 30 if LONG else 3
CLIENTS = 8
AUTHORS = 6


def test_a_killed_web_process_leaves_one_post_for_each_idempotency_key(
    start: Callable[..., Rig], tell: Callable[[str], None]
) -> None:
    rig = start(FANOUT_TIMELINE_CAP="20000", FANOUT_LOG_CAP="20000")  # all posts are compared
    rig.load(dict.fromkeys(range(1, AUTHORS + 1), 50))
    rig.start_workers(1)
    rig.start_web()
    accepted: dict[str, tuple[int, int]] = {}
    tries: Counter[int] = Counter()

    def post(number: int) -> Callable[[threading.Event], None]:
        def loop(over: threading.Event) -> None:
            client, count = rig.client(timeout=5), 0
            while not over.is_set():
                count += 1
                key, author = f"{number}-{count}", 1 + (number + count) % AUTHORS
                while (answer := client.post(author, key, key))[0] != 202:
                    tries[answer[0]] += 1
                    assert answer[0] in (0, 503), answer
                    time.sleep(0.02)
                accepted[key] = (author, int(answer[1]["post"]["id"]))

        return loop

    draw, kills = random.Random(3), 0
    with in_background(*(post(number) for number in range(CLIENTS))):
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            time.sleep(draw.uniform(0.2, 0.6))
            children = rig.web_workers()
            if children:
                os.kill(draw.choice(children), signal.SIGKILL)
                kills += 1
    rig.drain()
    for author, post_id in accepted.values():
        rig.posts[author].append(post_id)
    found = rig.check()
    twice = sum(len(posts) - len(set(posts)) for posts in rig.posts.values())
    tell(
        f"{kills} kills, {len(accepted):,} keys, {tries[0]} answers lost and repeated: "
        f"{found['foreign']} posts too many, {found['missing']} missing, "
        f"{found['duplicate'] + twice} duplicate"
    )
    assert tries[0] > 0, "no request was hit"
    assert twice == 0
    assert found["missing"] == found["duplicate"] == found["foreign"] == found["feeds"] == 0


def test_fifty_equal_posts_at_once_make_one(
    start: Callable[..., Rig], tell: Callable[[str], None]
) -> None:
    rig = start()
    rig.load({1: 50})
    rig.start_workers(1)
    rig.start_web()

    def post(_: int) -> int:
        client = rig.client()
        return insist(client, 1, "the same", "one-key")

    with ThreadPoolExecutor(50) as pool:
        ids = set(pool.map(post, range(50)))
    client = rig.client()
    other, problem = client.post(1, "another text", "one-key")
    rig.posts[1] = list(ids)
    rig.drain()
    found = rig.check()
    tell(f"50 posts with one key: {len(ids)} post; the key with another text: {other}")
    assert len(ids) == 1
    assert other == 422, problem
    assert found["missing"] == found["duplicate"] == found["foreign"] == 0
