"""The server stops for ten seconds: refusals are quick and clear, and all is well soon after."""

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable

from tests.faults.harness import LONG, SLACK, Rig, in_background, insist, ms

FROZEN_SECONDS = 10.0 if LONG else 5.0
CLIENTS = 12
AUTHORS = 4


def test_a_frozen_server_costs_quick_503s_and_is_used_again_when_it_wakes(
    start: Callable[..., Rig], tell: Callable[[str], None]
) -> None:
    rig = start()
    rig.load(dict.fromkeys(range(1, AUTHORS + 1), 500))
    rig.start_workers(2)
    rig.start_web()
    frozen = threading.Event()
    log: list[tuple[float, str, int, float]] = []
    unknown: dict[str, int] = {}
    accepted: dict[str, tuple[int, int]] = {}

    def post(number: int) -> Callable[[threading.Event], None]:
        def loop(over: threading.Event) -> None:
            client, count = rig.client(), 0
            while not over.is_set():
                count += 1
                key, author = f"{number}-{count}", 1 + (number + count) % AUTHORS
                at = time.monotonic()
                status, body = client.post(author, key, key)
                log.append((at, "post", status, client.seconds))
                if status == 202:
                    accepted[key] = (author, int(body["post"]["id"]))
                else:
                    unknown[key] = author
                over.wait(0.03)

        return loop

    def look(path: str) -> Callable[[threading.Event], None]:
        def loop(over: threading.Event) -> None:
            client = rig.client()
            while not over.wait(0.05):
                at = time.monotonic()
                status, _ = client.get(path)
                log.append((at, path, status, client.seconds))

        return loop

    paths = ("/healthz", "/readyz", "/api/metrics", "/api/feed/1000")
    loops = [*(post(number) for number in range(CLIENTS)), *map(look, paths)]
    assert rig.server is not None
    with in_background(*loops):
        time.sleep(1.0)
        os.kill(rig.server.pid, signal.SIGSTOP)
        stopped = time.monotonic()
        frozen.set()
        time.sleep(FROZEN_SECONDS)
        os.kill(rig.server.pid, signal.SIGCONT)
        resumed = time.monotonic()
        time.sleep(3.0)
    during = [row for row in log if stopped + 0.05 <= row[0] < resumed - 1.5]
    after = [row for row in log if row[0] >= resumed + 2.0]
    answers = Counter((what, status) for _, what, status, _ in during)
    slowest = {
        what: max(spent for _, other, _, spent in during if other == what)
        for what in ("post", *paths)
    }
    normal_after = max(
        (at + spent - resumed for at, _, status, spent in log if at > stopped and status >= 500),
        default=0.0,
    )
    client = rig.client()
    for key, author in unknown.items():
        accepted[key] = (author, insist(client, author, key, key))
    rig.drain()
    for author, post_id in accepted.values():
        rig.posts[author].append(post_id)
    found = rig.check()
    tell(
        f"stopped for {FROZEN_SECONDS:.0f} s under {CLIENTS} clients: slowest post "
        f"{ms(slowest['post'])}, healthz {ms(slowest['/healthz'])}, readyz "
        f"{ms(slowest['/readyz'])}; last refusal {ms(max(0.0, normal_after))} after it went on; "
        f"{len(accepted):,} keys, {found['missing']} missing, "
        f"{found['duplicate'] + found['foreign']} too many"
    )
    assert not any(status in (0, 500) for _, _, status, _ in log), Counter(
        (what, status) for _, what, status, _ in log
    )
    assert {status for what, status in answers if what == "/healthz"} == {200}
    assert {status for what, status in answers if what == "/readyz"} == {503}
    assert {status for what, status in answers if what == "post"} == {503}
    assert slowest["post"] <= 1.5 * SLACK
    assert slowest["/healthz"] <= 1.5 * SLACK
    assert {status for _, _, status, _ in after} <= {200, 202}, Counter(
        (what, status) for _, what, status, _ in after
    )
    assert found["missing"] == found["duplicate"] == found["foreign"] == found["feeds"] == 0
