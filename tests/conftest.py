"""Stores for the tests: fakeredis for speed, real servers for the truth.

Every test that asks for `store` runs on all of them. A missing real server is a failure in CI and
a skip elsewhere, so nobody takes a green run without one for a proof (tests/skips.py).
"""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from typing import Any, cast
from unittest.mock import patch

import fakeredis
import jsonschema_rs
import pytest
import redis
from fakeredis import FakeRedisConnection
from fakeredis._clients._tcp_server import encode_reply
from flask.testing import FlaskClient
from redis.cluster import ClusterNode, RedisCluster
from werkzeug.exceptions import HTTPException

from app.bootstrap import Services
from app.datasets import LUA
from app.engine.store import library
from app.engine.store.client import Store
from app.engine.store.counters import Metrics
from app.engine.store.keys import Keys
from app.settings import Settings
from app.web.api import Application
from app.web.api.description import PROBLEM
from bench import servers
from tests import skips
from tests.skips import missing


class DescribedClient(FlaskClient):
    """Every answer of the API, in whatever test, has a status, a type and a body that the OpenAPI
    document describes, and nothing beyond."""

    def open(self, *args: Any, **options: Any) -> Any:
        answer = super().open(*args, **options)
        path, method = answer.request.path, answer.request.method
        if path.startswith("/api/") and not path.startswith(("/api/docs", "/api/openapi.json")):
            assert_described(cast(Application, self.application), method, path, answer)
        return answer


Application.test_client_class = DescribedClient


def assert_described(app: Application, method: str, path: str, answer: Any) -> None:
    spec = app.api_doc
    try:
        rule, _ = app.url_map.bind("localhost").match(path, method, return_rule=True)
    except HTTPException as nothing:  # no operation: its error has the form of all others
        described = PROBLEM if answer.status_code == nothing.code else {}
    else:
        position = re.sub(r"<(?:int:)?(\w+)>", r"{\1}", rule.rule)
        responses = spec["paths"][position][method.lower()]["responses"]
        assert str(answer.status_code) in responses, f"{method} {path}: {answer.status}"
        described = responses[str(answer.status_code)].get("content", {})
    if not described:
        assert answer.data == b"", f"{method} {path}: a body that is not described"
        return
    assert answer.mimetype in described, f"{method} {path}: {answer.mimetype}"
    closed = {
        name: {"additionalProperties": False, **schema}
        for name, schema in spec["components"]["schemas"].items()
    }
    schema = {**described[answer.mimetype]["schema"], "components": {"schemas": closed}}
    jsonschema_rs.validate(schema, answer.json)


BACKENDS = ("fake", "valkey", "redis", "cluster")


class FakeConnection(FakeRedisConnection):
    """Its socket gives bytes to those who read it themselves (`transactions.py`)."""

    def _connect(self) -> Any:
        sock: Any = super()._connect()

        def recv_into(buffer: bytearray) -> int:
            data = encode_reply(sock.responses.get(timeout=1), 2)
            buffer[: len(data)] = data
            return len(data)

        sock.recv_into = recv_into
        return sock


def fake_redis() -> fakeredis.FakeRedis:
    """An empty server, simulated. Functions get RESP2's shapes, as on a real one."""
    return fakeredis.FakeRedis(version=(7, 0), protocol=2, connection_class=FakeConnection)


@dataclass
class Backend:
    """A way to get empty stores. `clean` empties what `open` connects to."""

    name: str
    open: Callable[[], Any]

    def store(self, shards: int, prefix: str = "fanout:") -> Store:
        client = self.open()
        if self.name == "cluster":
            client.flushall(target_nodes=RedisCluster.PRIMARIES)
        else:
            client.flushall()
        return store_of(client, shards, prefix)


def store_of(client: Any, shards: int, prefix: str = "fanout:") -> Store:
    """A store on this client, with all server functions."""
    return Store(lambda: client, Keys(prefix, shards), lua=[LUA])


@pytest.fixture(scope="session", params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> Iterator[Backend]:
    name: str = request.param
    if name == "fake":
        yield Backend(name, fake_redis)
    elif name == "cluster":
        with servers.cluster() as ports, ExitStack() as clients:
            nodes = [ClusterNode("127.0.0.1", port) for port in ports]
            # A new client for each store: unlike a single server's, it cannot be used once closed.
            yield Backend(
                name, lambda: clients.enter_context(closing(RedisCluster(startup_nodes=nodes)))
            )
    else:
        try:
            servers.binary(name)
        except servers.Missing as reason:
            missing(reason.what, reason.remedy)
        with servers.server(kind=name) as port:
            single = redis.Redis(port=port)
            yield Backend(name, lambda: single)
            single.close()


pytest_terminal_summary = skips.pytest_terminal_summary


@pytest.fixture
def settings() -> Settings:
    """Small limits, so that a test of a few posts meets all of them."""
    return small_settings()


def small_settings(**changes: Any) -> Settings:
    values: dict[str, Any] = {
        "shards": 4,
        "timeline_cap": 6,
        "timeline_slack": 2,
        "chunk": 3,
        "chunks_in_flight": 2,
        "celebrity_followers": 6,
        "large_author_followers": 4,
        "pulled_authors_cache_ms": 0,
        "log_cache_ms": 0,
        "dataset": "none",
    }
    return Settings(**{**values, **changes})


@pytest.fixture
def store(backend: Backend, settings: Settings) -> Store:
    return backend.store(settings.shards)


@pytest.fixture
def services(store: Store, settings: Settings) -> Services:
    return Services(settings, store)


def add_users(store: Store, user_ids: range) -> None:
    """Makes the users exist."""
    batch = store.batch()
    for user in user_ids:
        batch.add("SETBIT", *store.keys.bit(user), 1)
    batch.run()


def add_readers(services: Services, author: int, readers: Sequence[int], users: int = 20) -> None:
    """Makes users, of whom `readers` follow the author and have timelines."""
    add_users(services.engine.store, range(users))
    for reader in readers:
        services.engine.follow(reader, author)
        services.engine.feed(reader, "write")


def one_reader(backend: Backend, **changes: Any) -> Services:
    """User 1 follows user 0 and has a timeline; user 2 is alone."""
    settings = small_settings(**changes)
    services = Services(settings, backend.store(settings.shards))
    add_users(services.engine.store, range(3))
    services.engine.follow(1, 0)
    services.engine.feed(1, "write")
    return services


@contextmanager
def changed_lua(old: str, new: str) -> Iterator[None]:
    """Stores that are built inside run other Lua functions."""
    source = library.lua_source([LUA])
    assert old in source
    with patch.object(library, "lua_source", lambda _: source.replace(old, new)):
        library.library.cache_clear()
        yield
    library.library.cache_clear()


def all_pages(services: Services, user: int, strategy: Any, limit: int = 4) -> list[int]:
    """The ids of the whole feed, page after page."""
    ids: list[int] = []
    cursor = None
    while True:
        page = services.engine.feed(user, strategy, limit, cursor)
        ids += [post.id for post in page.items]
        cursor = page.next_cursor
        if cursor is None:
            return ids


@pytest.fixture(autouse=True)
def _no_thread_outlives_its_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread of one test's application would write into the next test's store. Whoever reads
    metrics flushes first anyway; tests/browser runs real processes with their threads."""
    monkeypatch.setattr(Metrics, "flush_in_background", lambda self: None)


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("FANOUT_", "REDIS_")) or name == "PORT":
            monkeypatch.delenv(name)
