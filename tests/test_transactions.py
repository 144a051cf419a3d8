"""Fenced transactions: every follower once, whatever comes between the fence and EXEC."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis

from app.bootstrap import Services
from app.engine.store import library, transactions
from app.engine.store.client import Store
from app.engine.store.job_records import Job, read_job
from app.engine.store.transactions import Push, push
from tests.conftest import Backend, add_users
from tests.faults.harness import wait_until

AUTHOR, READERS, DORMANT = 0, range(1, 25), (5, 13)
AWAKE = [reader for reader in READERS if reader not in DORMANT]
EVERY_BYTE = os.environ.get("FANOUT_TEST_FAULTS") == "long"


@pytest.fixture
def crowd(services: Services) -> Services:
    """An author with six followers on each of four shards; two have no timeline."""
    add_users(services.store, range(40))
    for reader in READERS:
        services.graph.follow(reader, AUTHOR)
        if reader not in DORMANT:
            services.feeds.page(reader, "write")
    return services


@pytest.fixture
def server(backend: Backend) -> redis.Redis:
    """One real server; others are skipped."""
    if backend.name not in ("valkey", "redis"):
        pytest.skip("needs one real server")
    client: redis.Redis = backend.open()
    return client


def publish(services: Services, author: int = AUTHOR) -> Job:
    post, _ = services.publishing.publish(author, "hello", "write")
    return record(services, post.id)


def record(services: Services, number: int) -> Job:
    job = read_job(services.store.command("HGETALL", services.store.keys.job(number)))
    assert isinstance(job, Job)
    return job


def pushes_of(services: Services, job: Job) -> list[Push]:
    cursors = services.jobs.cursors(job)
    return [Push(job, shard, cursor, cursor.remaining) for shard, cursor in cursors.items()]


def pushed(services: Services, job: Job, chunk: int = 4, in_flight: int = 2) -> list[Push]:
    """The pushes of a whole job, made."""
    pushes = pushes_of(services, job)
    push(services.store, services.settings, pushes, chunk, in_flight)
    return pushes


def finish(services: Services) -> None:
    """What another worker does: it takes the jobs and goes on by their cursors."""
    services.deliverer("other").run_until_idle()


def timeline(services: Services, reader: int) -> list[int]:
    ids = services.store.command("LRANGE", services.store.keys.timeline(reader), 0, -1)
    return [int(post) for post in ids if post != b"0"]


def cursors(services: Services, job: Job) -> list[tuple[int, int, int]]:
    return [
        (cursor.remaining, cursor.delivered, cursor.skipped)
        for _, cursor in sorted(services.jobs.cursors(job).items())
    ]


def assert_everybody_has(services: Services, *jobs: Job) -> None:
    """The jobs are finished, and the posts are in all timelines, once each and in order."""
    for reader in AWAKE:
        ids = timeline(services, reader)
        assert ids == sorted(set(ids), reverse=True)
        assert {job.id for job in jobs} <= set(ids)
    for job in jobs:
        fanout = services.publishing.fanout(job.id)
        assert fanout.status == "done"
        assert fanout.delivered + fanout.skipped == fanout.recipients
    assert services.control_store.queue().backlog == 0


def before_exec(monkeypatch: pytest.MonkeyPatch, act: Callable[[], Any]) -> None:
    """Lets something happen once, when a fence stands and its transaction is about to leave."""
    send, todo = transactions._Wire.send, [act]

    def hooked(wire: Any, data: bytes) -> None:
        if b"EXEC" in data and todo:
            todo.pop()()
        send(wire, data)

    monkeypatch.setattr(transactions._Wire, "send", hooked)


@pytest.mark.parametrize(("chunk", "in_flight"), [(1, 8), (4, 1), (4, 3), (100, 2)])
def test_every_follower_gets_the_post_once(crowd: Services, chunk: int, in_flight: int) -> None:
    job = publish(crowd)
    pushes = pushed(crowd, job, chunk, in_flight)
    for reader in AWAKE:
        assert timeline(crowd, reader) == [job.id]
    for reader in DORMANT:
        assert not crowd.store.command("EXISTS", crowd.store.keys.timeline(reader))
    assert {each.left_over for each in pushes} == {0}
    assert cursors(crowd, job) == [(0, 6, 0), (0, 4, 2), (0, 6, 0), (0, 6, 0)]
    assert [(p.cursor.remaining, p.cursor.delivered, p.cursor.skipped) for p in pushes] == cursors(
        crowd, job
    )
    for shard in range(4):
        assert crowd.store.command("GET", crowd.store.keys.watermark(shard)) == b"%d" % job.id
        ttl = crowd.store.command("TTL", crowd.store.keys.cursor(shard, job.id))
        assert transactions.CURSOR_TTL - 60 < ttl <= transactions.CURSOR_TTL
    finish(crowd)
    assert_everybody_has(crowd, job)


def test_a_push_may_stop_in_the_middle_and_go_on_later(crowd: Services) -> None:
    job = publish(crowd)
    for followers in (1, 3, 2):
        pushes = pushes_of(crowd, job)
        for each in pushes:
            each.followers = followers
        push(crowd.store, crowd.settings, pushes, 2)
        assert {each.left_over for each in pushes} == {0}
    assert cursors(crowd, job) == [(0, 6, 0), (0, 4, 2), (0, 6, 0), (0, 6, 0)]
    finish(crowd)
    assert_everybody_has(crowd, job)


def test_the_posts_of_several_jobs_in_one_push(crowd: Services) -> None:
    jobs = [publish(crowd) for _ in range(3)]
    pushes = [each for job in jobs for each in pushes_of(crowd, job)]
    push(crowd.store, crowd.settings, pushes, 4)
    # The author's shard has seen the newest of the posts when they were accepted.
    assert [each.left_over for each in pushes] == [6, 0, 0, 0] * 2 + [0] * 4
    finish(crowd)
    assert_everybody_has(crowd, *jobs)


def another_worker(crowd: Services, job: Job) -> None:
    batch = crowd.store.batch()
    for shard in range(4):
        crowd.jobs.deliver(batch, job, shard, 1, [job.id])
    batch.run()


def a_follow(crowd: Services, job: Job) -> None:
    for reader in range(32, 36):
        crowd.graph.follow(reader, AUTHOR)


def an_unfollow(crowd: Services, job: Job) -> None:
    # Heads of the lists: all others move, and a chunk that was read would be walked again.
    for reader in (1, 2, 3, 4):
        crowd.graph.unfollow(reader, AUTHOR)
        crowd.feeds.page(reader, "write")


def a_newer_post(crowd: Services, job: Job) -> None:
    for reader in AWAKE:
        author = 36 + reader % 4
        crowd.graph.follow(reader, author)
        crowd.feeds.page(reader, "write")
    for shard in range(4):
        push_all = publish(crowd, 36 + shard)
        pushed(crowd, push_all)


def a_rebuild(crowd: Services, job: Job) -> None:
    for reader in (21, 22, 23, 24):
        crowd.store.command("DEL", crowd.store.keys.timeline(reader))
        crowd.feeds.page(reader, "write")


@pytest.mark.parametrize("event", [another_worker, a_follow, an_unfollow, a_newer_post, a_rebuild])
def test_the_fence_refuses_after(
    crowd: Services, monkeypatch: pytest.MonkeyPatch, event: Callable[[Services, Job], None]
) -> None:
    job = publish(crowd)
    seen: list[Any] = []

    def act() -> None:
        event(crowd, job)
        seen.append(cursors(crowd, job))

    before_exec(monkeypatch, act)
    pushes = pushed(crowd, job, chunk=4, in_flight=1)
    (before,) = seen
    first, *_ = pushes
    assert first.refused
    assert (first.delivered, first.skipped) == (0, 0)
    assert cursors(crowd, job)[0] == before[0], "nothing has happened"
    finish(crowd)
    for reader in AWAKE:
        page = crowd.feeds.compare(reader, 5)
        assert page.identical
        if event is not an_unfollow or reader > 4:
            assert timeline(crowd, reader).count(job.id) == 1
    assert crowd.control_store.queue().backlog == 0


def test_a_worker_that_wakes_with_its_fence_standing_does_nothing(
    crowd: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = publish(crowd)

    def act() -> None:
        finish(crowd)  # another one does all of it, and the cursors are forgotten
        for shard in range(4):
            crowd.store.command("DEL", crowd.store.keys.cursor(shard, first.id))

    before_exec(monkeypatch, act)
    pushes = pushed(crowd, first, chunk=100, in_flight=8)
    assert sum(each.delivered for each in pushes[:1]) == 0
    assert pushes[0].refused
    assert_everybody_has(crowd, first)


def test_an_older_post_is_left_to_the_script(crowd: Services) -> None:
    old, new = publish(crowd), publish(crowd)
    pushed(crowd, new)
    assert {each.left_over for each in pushed(crowd, old)} == {6}
    finish(crowd)
    assert_everybody_has(crowd, old, new)


def test_a_post_that_may_have_been_delivered_long_ago_is_left_to_the_script(
    crowd: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = publish(crowd)
    monkeypatch.setattr(transactions, "YOUNG_MS", 0)
    assert {each.left_over for each in pushed(crowd, job)} == {6}
    assert timeline(crowd, 1) == []


def test_the_times_are_those_of_the_script() -> None:
    source = library.lua_source()
    for name, value in (
        ("CURSOR_TTL", transactions.CURSOR_TTL),
        ("YOUNG_MS", transactions.YOUNG_MS),
    ):
        assert re.search(rf"^local {name} = {value}\b", source, re.MULTILINE)


def test_held_posts_are_left_to_the_script(crowd: Services) -> None:
    deferred, _ = crowd.publishing.publish(AUTHOR, "deferred", "read")
    back = publish(crowd)
    assert crowd.releases.run(force=True) == 1
    unfinished = crowd.store.command("SMEMBERS", crowd.store.keys.open(0))
    (number,) = {int(each) for each in unfinished} - {back.id}
    release = record(crowd, number)
    assert {each.left_over for each in pushed(crowd, release)} == {6}
    finish(crowd)
    for reader in AWAKE:
        assert timeline(crowd, reader) == [back.id, deferred.id]


@pytest.mark.parametrize("which", ["cursor", "watermark", "watermark's text", "followers"])
def test_what_is_broken_is_left_to_the_script(crowd: Services, which: str) -> None:
    job, keys, call = publish(crowd), crowd.store.keys, crowd.store.command
    pushes = pushes_of(crowd, job)
    for shard in range(4):
        key = {
            "cursor": keys.cursor(shard, job.id),
            "followers": keys.followers(shard, AUTHOR),
        }.get(which, keys.watermark(shard))
        call("DEL", key)
        if which == "watermark":
            call("RPUSH", key, "1")
        else:
            call("SET", key, "no number")
    push(crowd.store, crowd.settings, pushes, 4)
    assert {each.left_over for each in pushes} == {6}
    assert timeline(crowd, 1) == []
    # The pool's connections are clean: nothing of a transaction is left on them.
    assert crowd.store.call("writable", keys.log(0)) == 1


def test_a_broken_timeline_is_dropped_and_rebuilt_by_the_next_read(crowd: Services) -> None:
    broken = 6
    crowd.store.command("DEL", crowd.store.keys.timeline(broken))
    crowd.store.command("SET", crowd.store.keys.timeline(broken), "no list")
    job = publish(crowd)
    pushes = pushed(crowd, job)
    assert {each.left_over for each in pushes} == {0}
    assert cursors(crowd, job) == [(0, 6, 0), (0, 4, 2), (0, 5, 1), (0, 6, 0)]
    crowd.feeds.page(broken, "write")
    finish(crowd)
    assert_everybody_has(crowd, job)


def test_a_timeline_that_passes_its_slack_is_trimmed(crowd: Services) -> None:
    cap, slack = crowd.settings.timeline_cap, crowd.settings.timeline_slack
    jobs, lengths = [], []
    for _ in range(2 * (cap + slack)):
        jobs.append(publish(crowd))
        pushed(crowd, jobs[-1])
        finish(crowd)
        lengths.append(crowd.store.command("LLEN", crowd.store.keys.timeline(1)))
    assert max(lengths) == cap + slack
    for reader in AWAKE:
        ids = timeline(crowd, reader)
        assert ids == [job.id for job in jobs[: -len(ids) - 1 : -1]]
        assert len(ids) >= cap


def test_a_crash_before_the_trim_leaves_it_to_the_next_push(
    crowd: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    longest = crowd.settings.timeline_cap + crowd.settings.timeline_slack
    with monkeypatch.context() as crash:
        crash.setattr(transactions, "_see_to_the_rest", lambda *args: None)
        for _ in range(longest + 2):
            job = publish(crowd)
            pushed(crowd, job)
            finish(crowd)
    assert crowd.store.command("LLEN", crowd.store.keys.timeline(1)) > longest
    # The sums hold without the count of those skipped.
    assert cursors(crowd, job) == [(0, 6, 0)] * 4
    job = publish(crowd)
    pushed(crowd, job)
    assert crowd.store.command("LLEN", crowd.store.keys.timeline(1)) == crowd.settings.timeline_cap
    finish(crowd)
    assert_everybody_has(crowd, job)


def test_a_trim_never_makes_a_rebuild_under_way_look_complete(crowd: Services) -> None:
    key = crowd.store.keys.timeline(6)
    crowd.store.command("DEL", key)
    marker = crowd.feeds._timelines.begin_rebuild(6)
    assert marker
    for _ in range(crowd.settings.timeline_cap + crowd.settings.timeline_slack + 1):
        job = publish(crowd)
        pushed(crowd, job)
        finish(crowd)
    assert not crowd.store.command("EXISTS", key)
    assert not crowd.feeds._timelines.install(6, marker, [], complete=True)
    crowd.feeds.page(6, "write")
    assert_everybody_has(crowd, job)


def test_a_connection_that_was_replaced_pushes_nothing(
    crowd: Services, monkeypatch: pytest.MonkeyPatch, server: redis.Redis
) -> None:
    job = publish(crowd)
    before_exec(monkeypatch, server.connection_pool.disconnect)
    pushes = pushed(crowd, job, chunk=100, in_flight=1)
    assert {each.left_over for each in pushes} == {6}
    assert timeline(crowd, 4) == []
    finish(crowd)
    assert_everybody_has(crowd, job)


@pytest.mark.parametrize("command", ["watch", "multi", "lpushx", "hset", "exec", "hmget", "time"])
def test_whoever_may_not_run_all_commands_pushes_nothing(
    crowd: Services, server: redis.Redis, command: str
) -> None:
    port = server.get_connection_kwargs()["port"]
    server.execute_command(
        "ACL", "SETUSER", "few", "reset", "on", ">secret", "~*", "&*", "+@all", f"-{command}"
    )
    store = crowd.store
    limited = redis.Redis(port=port, username="few", password="secret")
    job = publish(crowd)
    pushes = pushes_of(crowd, job)
    push(Store(lambda: limited, store.keys), crowd.settings, pushes, 4)
    assert {each.left_over for each in pushes} == {6}
    assert all(timeline(crowd, reader) == [] for reader in AWAKE)
    limited.close()
    server.execute_command("ACL", "DELUSER", "few")


def test_a_user_with_a_password_pushes(crowd: Services, server: redis.Redis) -> None:
    port = server.get_connection_kwargs()["port"]
    server.execute_command("ACL", "SETUSER", "all", "reset", "on", ">secret", "~fanout:*", "+@all")
    client = redis.Redis(port=port, username="all", password="secret")
    job = publish(crowd)
    pushes = pushes_of(crowd, job)
    push(Store(lambda: client, crowd.store.keys), crowd.settings, pushes, 4)
    assert {each.left_over for each in pushes} == {0}
    client.close()
    server.execute_command("ACL", "DELUSER", "all")


@pytest.mark.parametrize("queued", [False, True])
def test_a_full_server_refuses_a_whole_chunk(
    crowd: Services, monkeypatch: pytest.MonkeyPatch, server: redis.Redis, queued: bool
) -> None:
    """Full before the first push is queued, or before EXEC."""
    job = publish(crowd)
    send = transactions._Wire.send

    def hooked(wire: Any, data: bytes) -> None:
        if b"EXEC" in data and queued:
            end = data.index(b"*1\r\n$4\r\nEXEC")
            send(wire, data[:end])
            wait_until(
                lambda: any(int(row["multi"]) > 4 for row in server.client_list()),
                10,
                "nothing was queued",
            )
            data = data[end:]
        if b"EXEC" in data:
            server.config_set("maxmemory", 1)
        send(wire, data)

    monkeypatch.setattr(transactions._Wire, "send", hooked)
    try:
        pushes = pushed(crowd, job, in_flight=1)
    finally:
        server.config_set("maxmemory", 0)
    assert {each.left_over for each in pushes} == {6}
    assert all(timeline(crowd, reader) == [] for reader in AWAKE)
    assert not server.exists(*(crowd.store.keys.cursor(shard, job.id) for shard in range(4)))
    finish(crowd)
    assert_everybody_has(crowd, job)


def test_a_full_server_still_trims(
    crowd: Services, monkeypatch: pytest.MonkeyPatch, server: redis.Redis
) -> None:
    for _ in range(crowd.settings.timeline_cap + crowd.settings.timeline_slack - 1):
        pushed(crowd, publish(crowd))
        finish(crowd)
    job = publish(crowd)
    see_to_the_rest = transactions._see_to_the_rest

    def full(*args: Any) -> None:
        server.config_set("maxmemory", 1)
        see_to_the_rest(*args)

    monkeypatch.setattr(transactions, "_see_to_the_rest", full)
    try:
        pushed(crowd, job)
    finally:
        server.config_set("maxmemory", 0)
    assert server.llen(crowd.store.keys.timeline(1)) == crowd.settings.timeline_cap
    assert cursors(crowd, job)[1] == (0, 4, 2)


class Proxy:
    """Forwards to a server until so many bytes have gone one way, then cuts the connection."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.remaining: dict[str, int | None] = {"there": None, "back": None}
        self.seen = {"there": 0, "back": 0}
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(("127.0.0.1", self._port))
                for way, source, target in (("there", near, far), ("back", far, near)):
                    args = (way, source, target)
                    threading.Thread(target=self._forward, args=args, daemon=True).start()

    def _forward(self, way: str, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                self.seen[way] += len(data)
                remaining = self.remaining[way]
                if remaining is not None and len(data) > remaining:
                    self.remaining[way] = None
                    target.sendall(data[:remaining])
                    break
                if remaining is not None:
                    self.remaining[way] = remaining - len(data)
                target.sendall(data)
        for each in (source, target):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_WR)  # not close(): what is on its way shall arrive
        if self.remaining[way] is None:
            source.close()


@pytest.fixture
def proxy(server: redis.Redis) -> Iterator[Proxy]:
    proxy = Proxy(int(server.get_connection_kwargs()["port"]))
    yield proxy
    proxy.close()


@pytest.mark.parametrize("way", ["there", "back"])
def test_a_connection_cut_after_any_byte(crowd: Services, proxy: Proxy, way: str) -> None:
    client = redis.Redis(port=proxy.port, socket_timeout=5)
    store = Store(lambda: client, crowd.store.keys)

    def once(cut_after: int | None) -> None:
        job = publish(crowd)
        client.ping()
        pushes = pushes_of(crowd, job)
        proxy.remaining[way], proxy.seen[way] = cut_after, 0
        push(store, crowd.settings, pushes, 4, in_flight=1)
        if cut_after is not None:
            assert proxy.remaining[way] is None, "the connection was not cut"
            assert any(each.left_over for each in pushes)
        finish(crowd)
        assert_everybody_has(crowd, job)

    once(None)
    total = proxy.seen[way]
    assert total > 500
    for cut_after in range(0, total * 3 // 4, 1 if EVERY_BYTE else 53):
        once(cut_after)
    client.close()


def test_a_server_that_is_away_leaves_everything_to_others(
    crowd: Services, server: redis.Redis
) -> None:
    job = publish(crowd)
    pushes = pushes_of(crowd, job)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client = redis.Redis(port=silent.getsockname()[1], socket_timeout=0.1)
        push(Store(lambda: client, crowd.store.keys), crowd.settings, pushes, 4)
    assert {each.left_over for each in pushes} == {6}
    finish(crowd)
    assert_everybody_has(crowd, job)


def test_a_moved_shard_is_left_to_the_script(
    crowd: Services, backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    if backend.name != "cluster":
        pytest.skip("needs a Cluster")
    job = publish(crowd)
    nodes = crowd.store.redis.get_primaries()

    def wrong(store: Store, key: str) -> Any:
        home = store.redis.get_node_from_key(key)
        other = nodes[(nodes.index(home) + 1) % len(nodes)]
        return store.redis.get_redis_connection(other).connection_pool

    monkeypatch.setattr(transactions, "_pool", wrong)
    assert {each.left_over for each in pushed(crowd, job)} == {6}
    finish(crowd)
    assert_everybody_has(crowd, job)
