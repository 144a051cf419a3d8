"""A server that others use too: what does not start with our prefix stays as it is."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from flask.testing import FlaskCliRunner

from app.bootstrap import Services
from app.datasets import LUA
from app.datasets.bulk import Bulk
from app.datasets.presets import PRESETS, Preset
from app.engine.store import keys, library
from app.engine.store.client import Store
from app.engine.store.replies import pairs
from app.main import create_app
from app.settings import Settings
from bench import servers
from tests.conftest import Backend, add_users, all_pages, small_settings, store_of

FAMILIES = ["control", *re.findall(r"^    ([a-z_]+)[:{*]", keys.__doc__ or "", re.MULTILINE)]
"""The first word of every row of the catalogue of keys."""

TAGS = ("{acme}", "{1}", "{m}", "{0}")


@pytest.fixture
def server() -> Iterator[redis.Redis]:
    with servers.server() as port, redis.Redis(port=port) as client:
        yield client


def port_of(server: redis.Redis) -> int:
    return int(server.get_connection_kwargs()["port"])


def put_foreign_keys(server: redis.Redis, prefix: str) -> None:
    """Keys of every type under every name of the catalogue, with shards of ours and others."""
    writes: list[Callable[[str], Any]] = [
        lambda name: server.set(name, "theirs"),
        lambda name: server.rpush(name, "30", "20", "10"),
        lambda name: server.sadd(name, 1, 2, 3),
        lambda name: server.hset(name, mapping={"status": "ready", "shards": "64"}),
        lambda name: server.xadd(name, {"job": "1"}, id="5-0"),
        lambda name: server.zadd(name, {"a": 1}),
    ]
    count = 0
    for family in FAMILIES:
        for tag in TAGS:
            for name in (
                f"{family}:{tag}",
                f"{family}:{tag}:1",
                f"{family}{tag}",
                f"{family}{tag}:1",
            ):
                writes[count % len(writes)](prefix + name)
                count += 1
    for name in ("metrics:total{m}", "metrics:slice{m}:1", "wake-up", "LIMITS:{LIMITER/1}"):
        server.set(prefix + name, "theirs")


def foreign(server: redis.Redis) -> dict[bytes, Any]:
    """All that is not ours, byte for byte: keys and function libraries."""
    names = [name for name in server.scan_iter(count=10_000) if not name.startswith(b"fanout:")]
    found: dict[bytes, Any] = {name: server.dump(name) for name in names}
    for reply in server.execute_command("FUNCTION LIST", "WITHCODE"):
        row = dict(zip(reply[::2], reply[1::2], strict=True))
        if b"'fanout:'" not in row[b"library_code"]:
            found[row[b"library_name"]] = row[b"library_code"]
    return found


def test_the_catalogue_is_read() -> None:
    assert len(FAMILIES) > 20
    assert {"post", "users", "jobs", "loader", "dataset"} <= set(FAMILIES)


def test_what_others_keep_on_the_server_is_untouched(
    server: redis.Redis, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(PRESETS, "small", Preset(120, 114))
    edges = tmp_path / "edges.txt"
    edges.write_text("".join(f"{a} {b}\n" for a in range(30) for b in range(30) if a != b))
    put_foreign_keys(server, "")
    put_foreign_keys(server, "other:")
    put_foreign_keys(server, "fanout2:")
    for name, function in (("fanout", "fanout_publish"), ("fanout_theirs", "publish")):
        server.function_load(
            f"#!lua name={name}\nredis.register_function('{function}', function() return 1 end)"
        )
    before = foreign(server)
    assert len(before) > 500

    settings = small_settings(redis_port=port_of(server), rate_limit="1000/minute")
    app = create_app(settings)
    run: FlaskCliRunner = app.test_cli_runner()

    def command(*words: str) -> None:
        result = run.invoke(args=words)
        assert result.exit_code == 0, result.output
        assert foreign(server) == before, f"after {words[0]}"

    command("seed", "small")
    command("verify", "--posts", "50")
    command("load-edges", str(edges))
    web = app.test_client()
    for author in range(5):
        for strategy in ("write", "read", "hybrid"):
            posted = web.post(
                "/api/posts", json={"author_id": author, "text": "x", "strategy": strategy}
            )
            assert posted.status_code == 202
            assert "RateLimit" in posted.headers
    for reader in range(10):
        assert web.get(f"/api/compare/{reader}").status_code == 200
    assert web.put("/api/workers", json={"paused": False}).status_code == 200
    assert web.get("/status").status_code == web.get("/metrics").status_code == 200
    assert foreign(server) == before
    command("repair")
    command("verify", "--posts", "20")
    command("seed", "small")


def test_two_installations_share_a_server(server: redis.Redis) -> None:
    ours, theirs = (
        Services(settings)
        for settings in (
            small_settings(redis_port=port_of(server), key_prefix=prefix)
            for prefix in ("one:", "another/")
        )
    )
    posts = []
    for services in (ours, theirs):
        add_users(services.engine.store, range(3))
        services.engine.follow(1, 0)
        services.engine.feed(1, "write")
        posts.append(services.engine.publish(0, "hello", "write")[0].id)
        services.snapshot()
    theirs.engine.deliverer("w").run_until_idle()
    assert all_pages(theirs, 1, "write") == [posts[1]]
    assert ours.engine.queue().backlog == 1, "their worker leaves our job alone"
    before = {name: server.dump(name) for name in server.scan_iter("another/*")}
    bulk = Bulk(ours.engine.store, "me", 60)
    bulk.take_over()
    bulk.wipe()
    assert {name: server.dump(name) for name in server.scan_iter("another/*")} == before
    names = {name.split(b":")[0].split(b"/")[0] for name in server.scan_iter()}
    assert names == {b"one", b"another"}
    assert all_pages(theirs, 1, "write") == [posts[1]]


def libraries(store: Store) -> set[str]:
    """The names of all libraries on the first server."""
    rows = store.everywhere("FUNCTION", "LIST")[0]
    return {dict(pairs(row))[b"library_name"].decode() for row in rows}


def test_versions_live_side_by_side_until_a_repair(
    backend: Backend, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = backend.store(settings.shards)
    source = library.lua_source([LUA])
    with monkeypatch.context() as patches:
        patches.setattr(library, "lua_source", lambda _: source.replace("return 1", "return 1 + 0"))
        library.library.cache_clear()
        old, other = (store_of(new.redis, settings.shards, prefix) for prefix in ("fanout:", "b:"))
    library.library.cache_clear()
    for _ in range(2):
        for store in (new, old, other):
            assert store.call("writable", store.keys.control) == 1
    names = [store.library.name for store in (new, old, other)]
    assert len(set(names)) == 3
    assert set(names) <= libraries(new)
    assert new.drop_old_libraries() >= 1
    assert names[1] not in libraries(new)
    assert {names[0], names[2]} <= libraries(new)
    assert old.call("writable", old.keys.control) == 1, "who still needs it loads it again"


def test_two_processes_may_load_at_once(backend: Backend, settings: Settings) -> None:
    store = backend.store(settings.shards)
    store.load_library()
    store.load_library()
    assert store.call("writable", store.keys.control) == 1
