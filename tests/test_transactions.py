"""Fenced transactions: every follower once, whatever comes between the fence and EXEC."""

import contextlib
import os
import re
import shutil
import socket
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import redis

from app.bootstrap import Services
from app.engine.delivery.open_job import OpenJob
from app.engine.store import library, transactions
from app.engine.store.chunks import Chunk, ChunkSender, Delivered
from app.engine.store.client import Store
from app.engine.store.job_records import Job, read_job
from app.engine.store.replies import pairs
from app.engine.store.transactions import Transactions
from app.engine.store.wire import Wire
from bench.processes import free_port, wait_until
from tests.conftest import Backend, add_users, store_of

AUTHOR, READERS, DORMANT = 0, range(1, 25), (5, 13)
AWAKE = [reader for reader in READERS if reader not in DORMANT]
EVERY_BYTE = os.environ.get("FANOUT_TEST_FAULTS") == "long"

Answers = list[Delivered | None]


@pytest.fixture
def crowd(services: Services, monkeypatch: pytest.MonkeyPatch) -> Services:
    """An author with six followers on each of four shards; two have no timeline."""
    monkeypatch.setattr(transactions, "MIN_FOLLOWERS", 1)
    add_users(services.engine.store, range(40))
    for reader in READERS:
        services.engine.follow(reader, AUTHOR)
        if reader not in DORMANT:
            services.engine.feed(reader, "write")
    return services


@pytest.fixture
def server(backend: Backend) -> redis.Redis:
    """One real server; others are skipped."""
    if backend.name not in ("valkey", "redis"):
        pytest.skip("needs one real server")
    client: redis.Redis = backend.open()
    return client


def publish(services: Services, author: int = AUTHOR) -> Job:
    post, _ = services.engine.publish(author, "hello", "write")
    return record(services, post.id)


def record(services: Services, number: int) -> Job:
    store = services.engine.store
    fields = dict(pairs(store.command("HGETALL", store.keys.job(number))))
    job = read_job({**fields, b"job": b"%d" % number, b"entry": b"1-0"}, store.shards)
    assert isinstance(job, Job)
    return job


def chunks_of(services: Services, job: Job, size: int, most: int = 10**6) -> list[Chunk]:
    """The chunks of a job from where its cursors are, at most so many followers together."""
    cursors = services.engine.jobs.cursors(job)
    shards = deque(shard for shard, cursor in cursors.items() if cursor.remaining)
    opened, chunks = OpenJob(job, [job.id], cursors, shards, 0.0), []
    while most > 0 and (found := opened.next_chunks(min(size, most))):
        chunks += found
        most -= sum(chunk.followers for chunk in found)
    return chunks


def push(services: Services, chunks: Sequence[Chunk], store: Store | None = None) -> Answers:
    return Transactions(store or services.engine.store, services.settings).push(chunks)


def pushed(services: Services, job: Job, size: int = 4) -> Answers:
    """What came of a whole job."""
    return push(services, chunks_of(services, job, size))


def is_whole(answers: Answers) -> bool:
    """Whether every chunk was pushed."""
    return bool(answers) and all(answers)


def finish(services: Services) -> None:
    """What another worker does: it takes the jobs and goes on from their cursors."""
    services.engine.deliverer("other").run_until_idle()


def timeline(services: Services, reader: int) -> list[int]:
    store = services.engine.store
    ids = store.command("LRANGE", store.keys.timeline(reader), 0, -1)
    return [int(post) for post in ids if post != b"0"]


def cursors(services: Services, job: Job) -> list[tuple[int, int, int]]:
    """(remaining, delivered, skipped) of each shard."""
    found = sorted(services.engine.jobs.cursors(job).items())
    return [(cursor.remaining, cursor.delivered, cursor.skipped) for _, cursor in found]


def assert_everybody_has(services: Services, *jobs: Job) -> None:
    """The jobs are finished, and the posts are in all timelines, once each and in order."""
    for reader in AWAKE:
        ids = timeline(services, reader)
        assert ids == sorted(set(ids), reverse=True)
        assert {job.id for job in jobs} <= set(ids)
    for job in jobs:
        fanout = services.engine.fanout(job.id)
        assert fanout.status == "done"
        assert fanout.delivered + fanout.skipped == fanout.recipients
    assert services.engine.queue().backlog == 0


def before_exec(monkeypatch: pytest.MonkeyPatch, act: Callable[[], Any]) -> None:
    """Lets something happen once, when a fence stands and its transaction is about to leave."""
    send, todo = Wire.send, [act]

    def hooked(wire: Any, data: bytes) -> None:
        if b"EXEC" in data and todo:
            todo.pop()()
        send(wire, data)

    monkeypatch.setattr(Wire, "send", hooked)


@pytest.mark.parametrize(("size", "in_flight"), [(1, 8), (4, 1), (4, 3), (100, 2)])
def test_every_follower_gets_the_post_once(
    crowd: Services, monkeypatch: pytest.MonkeyPatch, size: int, in_flight: int
) -> None:
    monkeypatch.setattr(transactions, "SHARDS_IN_FLIGHT", in_flight)
    store, job = crowd.engine.store, publish(crowd)
    answers = pushed(crowd, job, size)
    assert is_whole(answers)
    assert sum(answer.delivered for answer in answers if answer) == len(AWAKE)
    assert sum(answer.skipped for answer in answers if answer) == len(DORMANT)
    for reader in AWAKE:
        assert timeline(crowd, reader) == [job.id]
    for reader in DORMANT:
        assert not store.command("EXISTS", store.keys.timeline(reader))
    for shard in range(4):
        assert store.command("GET", store.keys.watermark(shard)) == b"%d" % job.id
        ttl = store.command("TTL", store.keys.cursor(shard, job.id))
        assert transactions.CURSOR_TTL - 60 < ttl <= transactions.CURSOR_TTL
    finish(crowd)
    assert_everybody_has(crowd, job)


def test_a_push_may_stop_in_the_middle_and_go_on_later(crowd: Services) -> None:
    job = publish(crowd)
    for most in (5, 12, 7):
        assert is_whole(push(crowd, chunks_of(crowd, job, 2, most)))
    assert [remaining for remaining, _, _ in cursors(crowd, job)] == [0] * 4
    finish(crowd)
    assert_everybody_has(crowd, job)


def test_the_posts_of_several_jobs_in_one_push(crowd: Services) -> None:
    jobs = [publish(crowd) for _ in range(3)]
    answers = push(crowd, [chunk for job in jobs for chunk in chunks_of(crowd, job, 6)])
    # The author's shard has seen the newest of the posts when they were accepted.
    assert [bool(answer) for answer in answers] == [False, True, True, True] * 2 + [True] * 4
    finish(crowd)
    assert_everybody_has(crowd, *jobs)


def test_a_worker_pushes_large_jobs_so_and_counts_the_dormant(crowd: Services) -> None:
    pushes: list[bool] = []
    with patch.object(Transactions, "push", _noting(pushes)):
        job = publish(crowd)
        finish(crowd)
    assert pushes
    assert all(pushes)
    assert_everybody_has(crowd, job)
    fanout = crowd.engine.fanout(job.id)
    assert (fanout.delivered, fanout.skipped) == (len(AWAKE), len(DORMANT))


def _noting(pushes: list[bool]) -> Any:
    push = Transactions.push

    def noted(self: Transactions, chunks: Sequence[Chunk]) -> Answers:
        answers = push(self, chunks)
        pushes.extend(map(bool, answers))
        return answers

    return noted


def test_a_worker_pushes_an_authors_posts_one_after_the_other(crowd: Services) -> None:
    pushes: list[bool] = []
    with patch.object(Transactions, "push", _noting(pushes)):
        jobs = [publish(crowd) for _ in range(3)]
        finish(crowd)
    # The author's shard has seen the newest of the posts when they were accepted.
    assert pushes.count(True) == 3 * 8 - pushes.count(False)
    assert pushes.count(False) <= 2 * 2
    assert_everybody_has(crowd, *jobs)


def test_a_worker_leaves_small_jobs_to_the_server_function(
    crowd: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transactions, "MIN_FOLLOWERS", 7)
    pushes: list[bool] = []
    with patch.object(Transactions, "push", _noting(pushes)):
        job = publish(crowd)
        finish(crowd)
    assert not pushes
    assert_everybody_has(crowd, job)


def test_a_worker_goes_on_by_the_server_function_when_a_newer_post_overtakes(
    crowd: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = publish(crowd)
    before_exec(monkeypatch, lambda: a_newer_post(crowd, job))
    finish(crowd)
    assert_everybody_has(crowd, job)
    fanout = crowd.engine.fanout(job.id)
    assert (fanout.delivered, fanout.skipped) == (len(AWAKE), len(DORMANT))


def another_worker(crowd: Services, job: Job) -> None:
    sender = ChunkSender(crowd.engine.store, crowd.settings)
    sender.send(crowd.engine.store.batch(), chunks_of(crowd, job, 1, 4), 1)


def a_follow(crowd: Services, job: Job) -> None:
    for reader in range(32, 36):
        crowd.engine.follow(reader, AUTHOR)


def an_unfollow(crowd: Services, job: Job) -> None:
    # Heads of the lists: all others move, and a chunk that was read would be delivered again.
    for reader in (1, 2, 3, 4):
        crowd.engine.unfollow(reader, AUTHOR)
        crowd.engine.feed(reader, "write")


def a_newer_post(crowd: Services, job: Job) -> None:
    for reader in AWAKE:
        author = 36 + reader % 4
        crowd.engine.follow(reader, author)
        crowd.engine.feed(reader, "write")
    for author in range(36, 40):
        pushed(crowd, publish(crowd, author))


def a_rebuild(crowd: Services, job: Job) -> None:
    store = crowd.engine.store
    for reader in (21, 22, 23, 24):
        store.command("DEL", store.keys.timeline(reader))
        crowd.engine.feed(reader, "write")


@pytest.mark.parametrize("event", [another_worker, a_follow, an_unfollow, a_newer_post, a_rebuild])
def test_the_fence_refuses_after(
    crowd: Services, monkeypatch: pytest.MonkeyPatch, event: Callable[[Services, Job], None]
) -> None:
    monkeypatch.setattr(transactions, "SHARDS_IN_FLIGHT", 1)
    job, seen = publish(crowd), []

    def act() -> None:
        event(crowd, job)
        seen.append(cursors(crowd, job))

    chunks = chunks_of(crowd, job, 4)
    before_exec(monkeypatch, act)
    answers = push(crowd, chunks)
    first = [a for a, chunk in zip(answers, chunks, strict=True) if chunk.shard == chunks[0].shard]
    assert first == [None, None]
    assert cursors(crowd, job)[0] == seen[0][0], "nothing has happened"
    finish(crowd)
    for reader in AWAKE:
        assert crowd.engine.compare(reader, 5).identical
        if event is not an_unfollow or reader > 4:
            assert timeline(crowd, reader).count(job.id) == 1
    assert crowd.engine.queue().backlog == 0


def test_a_worker_that_wakes_with_its_fence_standing_does_nothing(
    crowd: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A frozen worker is about to send its transaction. Meanwhile another one did all of the job,
    and its cursors were forgotten."""
    monkeypatch.setattr(transactions, "SHARDS_IN_FLIGHT", 8)
    job, store = publish(crowd), crowd.engine.store

    def act() -> None:
        finish(crowd)
        for shard in range(4):
            store.command("DEL", store.keys.cursor(shard, job.id))

    before_exec(monkeypatch, act)
    answers = pushed(crowd, job, 100)
    assert answers[0] is None
    assert_everybody_has(crowd, job)


def test_a_frozen_worker_goes_on_without_delivering_twice(
    crowd: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = publish(crowd)
    frozen = crowd.engine.deliverer("frozen")
    frozen.run_iteration()  # takes the job
    before_exec(monkeypatch, lambda: push(crowd, chunks_of(crowd, job, 6)))
    frozen.run_until_idle()
    assert_everybody_has(crowd, job)


def test_an_older_post_is_left_to_the_server_function(crowd: Services) -> None:
    old, new = publish(crowd), publish(crowd)
    assert is_whole(pushed(crowd, new))
    assert not any(pushed(crowd, old))
    finish(crowd)
    assert_everybody_has(crowd, old, new)


def test_a_post_that_may_have_been_delivered_long_ago_is_left_to_the_server_function(
    crowd: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = publish(crowd)
    monkeypatch.setattr(transactions, "YOUNG_MS", 0)
    assert not any(pushed(crowd, job))
    assert timeline(crowd, 1) == []


def test_the_times_are_those_of_the_server_function() -> None:
    source = library.lua_source([])
    for name in ("CURSOR_TTL", "YOUNG_MS"):
        assert re.search(rf"^local {name} = {getattr(transactions, name)}\b", source, re.MULTILINE)


def test_releases_are_left_to_the_server_function(crowd: Services) -> None:
    crowd.engine.publish(AUTHOR, "deferred", "read")
    back = publish(crowd)
    assert crowd.engine.releases.run(force=True) == 1
    store = crowd.engine.store
    (number,) = {int(each) for each in store.command("SMEMBERS", store.keys.open(0))} - {back.id}
    release = record(crowd, number)
    fits = Transactions(store, crowd.settings).fits
    assert all(fits(chunk, 4) for chunk in chunks_of(crowd, back, 4))
    deferred = [replace(chunk, posts=[release.last]) for chunk in chunks_of(crowd, release, 4)]
    assert deferred
    assert not any(fits(chunk, 4) for chunk in deferred)


def test_small_chunks_are_left_to_the_server_function(
    crowd: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transactions, "MIN_FOLLOWERS", 4)
    fits = Transactions(crowd.engine.store, crowd.settings).fits
    (chunk, *_) = chunks_of(crowd, publish(crowd), 4)
    assert fits(chunk, 4)
    assert not fits(chunk, 3), "a reader waits for what is sent"


@pytest.mark.parametrize("which", ["cursor", "watermark", "watermark's text", "followers"])
def test_what_is_broken_is_left_to_the_server_function(crowd: Services, which: str) -> None:
    store, job = crowd.engine.store, publish(crowd)
    keys, call = store.keys, store.command
    chunks = chunks_of(crowd, job, 4)
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
    assert not any(push(crowd, chunks))
    assert timeline(crowd, 1) == []
    # The pool's connections are clean: nothing of a transaction is left on them.
    assert store.call("writable", keys.log(0)) == 1


def test_a_broken_timeline_is_dropped_and_rebuilt_by_the_next_read(crowd: Services) -> None:
    broken, store = 6, crowd.engine.store
    store.command("DEL", store.keys.timeline(broken))
    store.command("SET", store.keys.timeline(broken), "no list")
    job = publish(crowd)
    answers = pushed(crowd, job)
    assert is_whole(answers)
    assert sum(answer.skipped for answer in answers if answer) == len(DORMANT) + 1
    crowd.engine.feed(broken, "write")
    finish(crowd)
    assert_everybody_has(crowd, job)


def test_a_timeline_that_passes_its_slack_is_trimmed(crowd: Services) -> None:
    cap, slack = crowd.settings.timeline_cap, crowd.settings.timeline_slack
    store, jobs, lengths = crowd.engine.store, [], []
    for _ in range(2 * (cap + slack)):
        jobs.append(publish(crowd))
        assert is_whole(pushed(crowd, jobs[-1]))
        finish(crowd)
        lengths.append(store.command("LLEN", store.keys.timeline(1)))
    assert max(lengths) == cap + slack
    for reader in AWAKE:
        ids = timeline(crowd, reader)
        assert ids == [job.id for job in jobs[: -len(ids) - 1 : -1]]
        assert len(ids) >= cap


def test_a_crash_before_the_trim_leaves_it_to_the_next_push(
    crowd: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    longest = crowd.settings.timeline_cap + crowd.settings.timeline_slack
    store = crowd.engine.store
    with monkeypatch.context() as crash:
        crash.setattr(Transactions, "_tidy", lambda *args: None)
        for _ in range(longest + 2):
            pushed(crowd, publish(crowd))
            finish(crowd)
    assert store.command("LLEN", store.keys.timeline(1)) > longest
    job = publish(crowd)
    pushed(crowd, job)
    assert store.command("LLEN", store.keys.timeline(1)) == crowd.settings.timeline_cap
    finish(crowd)
    assert_everybody_has(crowd, job)


def test_a_trim_never_makes_a_rebuild_under_way_look_complete(crowd: Services) -> None:
    store, timelines = crowd.engine.store, crowd.engine.data.timelines
    key = store.keys.timeline(6)
    store.command("DEL", key)
    marker = timelines.begin_rebuild(6)
    assert marker
    for _ in range(crowd.settings.timeline_cap + crowd.settings.timeline_slack + 1):
        job = publish(crowd)
        pushed(crowd, job)
        finish(crowd)
    assert not store.command("EXISTS", key)
    assert not timelines.install(6, marker, [], complete=True)
    crowd.engine.feed(6, "write")
    assert_everybody_has(crowd, job)


def test_a_connection_that_was_replaced_pushes_nothing(
    crowd: Services, monkeypatch: pytest.MonkeyPatch, server: redis.Redis
) -> None:
    monkeypatch.setattr(transactions, "SHARDS_IN_FLIGHT", 1)
    job = publish(crowd)
    before_exec(monkeypatch, server.connection_pool.disconnect)
    assert not any(pushed(crowd, job, 100))
    assert timeline(crowd, 4) == []
    finish(crowd)
    assert_everybody_has(crowd, job)


@pytest.mark.parametrize("command", ["watch", "multi", "lpushx", "hset", "exec", "hget", "time"])
def test_whoever_may_not_run_all_commands_pushes_nothing(
    crowd: Services, server: redis.Redis, command: str
) -> None:
    port = server.get_connection_kwargs()["port"]
    server.execute_command(
        "ACL", "SETUSER", "few", "reset", "on", ">secret", "~*", "&*", "+@all", f"-{command}"
    )
    limited = redis.Redis(port=port, username="few", password="secret")
    job = publish(crowd)
    assert not any(push(crowd, chunks_of(crowd, job, 4), store_of(limited, 4)))
    assert all(timeline(crowd, reader) == [] for reader in AWAKE)
    limited.close()
    server.execute_command("ACL", "DELUSER", "few")


def test_a_user_with_a_password_pushes(crowd: Services, server: redis.Redis) -> None:
    port = server.get_connection_kwargs()["port"]
    server.execute_command("ACL", "SETUSER", "all", "reset", "on", ">secret", "~fanout:*", "+@all")
    client = redis.Redis(port=port, username="all", password="secret")
    job = publish(crowd)
    assert is_whole(push(crowd, chunks_of(crowd, job, 4), store_of(client, 4)))
    client.close()
    server.execute_command("ACL", "DELUSER", "all")


def test_a_connection_with_tls_pushes(
    crowd: Services, server: redis.Redis, backend: Backend, tmp_path: Path
) -> None:
    if backend.name != "redis" or shutil.which("openssl") is None:
        pytest.skip("needs Debian's redis-server, which speaks TLS, and openssl")
    key, certificate, port = tmp_path / "key.pem", tmp_path / "certificate.pem", free_port()
    subject = ("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost")
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            *subject,
            "-days",
            "2",
            "-keyout",
            key,
            "-out",
            certificate,
        ],
        check=True,
        capture_output=True,
    )
    for name, value in (
        ("tls-cert-file", certificate),
        ("tls-key-file", key),
        ("tls-ca-cert-file", certificate),
        ("tls-auth-clients", "no"),
        ("tls-port", port),
    ):
        server.config_set(name, str(value))
    client = redis.Redis(host="localhost", port=port, ssl=True, ssl_ca_certs=str(certificate))
    try:
        job = publish(crowd)
        assert is_whole(push(crowd, chunks_of(crowd, job, 4), store_of(client, 4)))
    finally:
        client.close()
        server.config_set("tls-port", 0)


@pytest.mark.parametrize("queued", [False, True])
def test_a_full_server_refuses_a_whole_chunk(
    crowd: Services, monkeypatch: pytest.MonkeyPatch, server: redis.Redis, queued: bool
) -> None:
    """Full before the first push is queued, or before EXEC."""
    monkeypatch.setattr(transactions, "SHARDS_IN_FLIGHT", 1)
    job = publish(crowd)
    chunks = chunks_of(crowd, job, 4)
    send = Wire.send

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

    monkeypatch.setattr(Wire, "send", hooked)
    try:
        assert not any(push(crowd, chunks))
    finally:
        server.config_set("maxmemory", 0)
    monkeypatch.undo()
    store = crowd.engine.store
    assert all(timeline(crowd, reader) == [] for reader in AWAKE)
    assert not server.exists(*(store.keys.cursor(shard, job.id) for shard in range(4)))
    finish(crowd)
    assert_everybody_has(crowd, job)


def test_a_full_server_still_trims(
    crowd: Services, monkeypatch: pytest.MonkeyPatch, server: redis.Redis
) -> None:
    store = crowd.engine.store
    for _ in range(crowd.settings.timeline_cap + crowd.settings.timeline_slack - 1):
        pushed(crowd, publish(crowd))
        finish(crowd)
    job, tidy = publish(crowd), Transactions._tidy

    def full(*args: Any) -> None:
        server.config_set("maxmemory", 1)
        tidy(*args)

    monkeypatch.setattr(Transactions, "_tidy", full)
    try:
        pushed(crowd, job)
    finally:
        server.config_set("maxmemory", 0)
    assert server.llen(store.keys.timeline(1)) == crowd.settings.timeline_cap


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
def test_a_connection_cut_after_any_byte(
    crowd: Services, proxy: Proxy, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    monkeypatch.setattr(transactions, "SHARDS_IN_FLIGHT", 1)
    client = redis.Redis(port=proxy.port, socket_timeout=5)
    store = store_of(client, 4)

    def once(cut_after: int | None) -> None:
        job = publish(crowd)
        client.ping()
        chunks = chunks_of(crowd, job, 4)
        proxy.remaining[way], proxy.seen[way] = cut_after, 0
        answers = push(crowd, chunks, store)
        if cut_after is not None:
            assert proxy.remaining[way] is None, "the connection was not cut"
            assert not is_whole(answers)
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
    chunks = chunks_of(crowd, job, 4)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client = redis.Redis(port=silent.getsockname()[1], socket_timeout=0.1)
        assert not any(push(crowd, chunks, store_of(client, 4)))
    finish(crowd)
    assert_everybody_has(crowd, job)


def test_a_moved_shard_is_left_to_the_server_function(
    crowd: Services, backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    if backend.name != "cluster":
        pytest.skip("needs a Cluster")
    job, client = publish(crowd), crowd.engine.store.redis
    nodes = client.get_primaries()

    def wrong(self: Transactions, shard: int) -> Any:
        home = client.get_node_from_key(crowd.engine.store.keys.watermark(shard))
        other = nodes[(nodes.index(home) + 1) % len(nodes)]
        return client.get_redis_connection(other).connection_pool

    monkeypatch.setattr(Transactions, "_pool", wrong)
    assert not any(pushed(crowd, job))
    finish(crowd)
    assert_everybody_has(crowd, job)
