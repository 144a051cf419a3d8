"""Loading datasets into every kind of store, and all that can come between."""

import subprocess
import sys
import threading
import time
from functools import partial
from typing import Any

import numpy as np
import orjson
import pytest

from app.bootstrap import Services
from app.datasets import first_posts, loader
from app.datasets.bulk import Bulk
from app.datasets.edgelist import parse
from app.datasets.kinds import KINDS, Kind
from app.datasets.loads import Busy, LoadStopped
from app.datasets.packing import LONGEST, grouped, packed
from app.datasets.population import Population, generate, generate_sized
from app.datasets.presets import PRESETS, Preset
from app.datasets.state import DatasetState
from app.engine.errors import BadRequest, StoreDown, UnknownUser
from app.engine.store.client import Store
from app.engine.store.keys import MAX_USER_ID, tag
from app.web.pages import demo_page
from app.worker import worker_of
from tests.conftest import small_settings

USERS = 120


@pytest.fixture(autouse=True)
def _small_is_tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is tested here does not depend on the size; a thousand users take fakeredis a second."""
    monkeypatch.setitem(PRESETS, "small", Preset(USERS, 114))


def graph(*edges: tuple[int, int]) -> Population:
    return parse(f"{a} {b}" for a, b in edges).population


def stored_edges(store: Store, users: list[int]) -> tuple[set[Any], set[Any]]:
    """(from `following`, from `followers`), each as {(follower, author)}."""
    by_following, by_followers = set(), set()
    for user in users:
        following = store.command("SMEMBERS", store.keys.following(user))
        by_following |= {(user, int(author)) for author in following}
        for shard in range(store.shards):
            followers = [
                int(follower)
                for follower in store.command("LRANGE", store.keys.followers(shard, user), 0, -1)
            ]
            assert len(followers) == len(set(followers))
            assert all(follower % store.shards == shard for follower in followers)
            by_followers |= {(follower, user) for follower in followers}
    return by_following, by_followers


def test_packing_keeps_every_value() -> None:
    owners = np.repeat(np.arange(5, dtype=np.int32), [1, 3 * LONGEST + 7, 2, 900, 1])
    values = np.arange(len(owners), dtype=np.int32) + 1
    found: list[tuple[int, int]] = []
    total = 0
    for text, count in grouped(owners, values, size=1_000):
        numbers = orjson.loads(text)
        at = 0
        while at < len(numbers):
            owner, length = numbers[at : at + 2]
            assert length <= LONGEST
            found += [(owner, value) for value in numbers[at + 2 : at + 2 + length]]
            at += 2 + length
        total += count
    assert found == list(zip(owners.tolist(), values.tolist(), strict=True))
    assert total == len(owners)
    assert packed(np.array([1, 258, 2**27 - 1], dtype=np.int32)) == b"[1,258,134217727]"
    assert list(grouped(owners[:0], values[:0])) == []


def test_a_loaded_graph_is_the_graph(store: Store) -> None:
    population = generate_sized(200, 190, 5)
    bulk = Bulk(store, "me", 60)
    bulk.take_over()
    seen: list[Any] = []
    bulk.load(population, lambda done, total: seen.append((done, total)))
    expected = set(zip(population.followers.tolist(), population.authors.tolist(), strict=True))
    by_following, by_followers = stored_edges(store, population.user_ids.tolist())
    assert by_following == by_followers == expected
    assert seen[-1] == (population.edges, population.edges)
    for user in range(1, 201):
        name = store.keys.timeline(user)
        assert store.command("LRANGE", name, 0, -1) == [b"0"]
        assert 0 < store.command("TTL", name) <= 60
    exists = [store.command("GETBIT", *store.keys.bit(user)) for user in range(210)]
    assert exists == [0] + 200 * [1] + 9 * [0]


def test_large_sparse_ids_and_long_lists_are_loaded_whole(store: Store) -> None:
    """Ids to the limit, more followers on a shard than one command takes, users without edges."""
    far = MAX_USER_ID - 1
    shards = store.shards
    edges = [(follower * shards, far) for follower in range(LONGEST + 500)]
    edges += [(7, author) for author in range(1_000, 1_000 + LONGEST + 500)] + [(far, 0)]
    population = graph(*edges, (123_456, 123_456))
    bulk = Bulk(store, "me", 60)
    bulk.take_over()
    bulk.load(population)
    users = [0, 7, far, 123_456, 1_000]
    by_following, by_followers = stored_edges(store, users)
    assert {edge for edge in by_followers if edge[1] == far} == {e for e in edges if e[1] == far}
    assert {edge for edge in by_following if edge[0] == 7} == {e for e in edges if e[0] == 7}
    assert store.command("GETBIT", *store.keys.bit(far)) == 1
    assert store.command("GETBIT", *store.keys.bit(123_456)) == 1


def test_wiping_takes_our_keys_and_no_others(store: Store) -> None:
    keys = store.keys
    others = [
        "dataset", "post", "post:{1}:5", "followers:{1}:5", "metrics:total{m}", "u{m}",
        "xfanout:post:{1}:5", "fanout2:post:{1}:5", keys.last_id(1), "fanout:last_id:{77}",
        keys.shard_count, keys.control, keys.workers, f"{keys.limits}:{{LIMITER}}",
    ]  # fmt: skip
    for name in others:
        store.command("SET", name, "keep")
    state = DatasetState(store)
    assert state.lease("me", "small", 1)
    ours = [
        keys.post(5), keys.log(5), keys.users(2), keys.following(4), keys.followers(3, 1),
        keys.timeline(1), keys.directory("regular"), keys.metrics_total, "fanout:followers:{77}:1",
        "fanout:of-no-family",
    ]  # fmt: skip
    for name in ours:
        store.command("SET", name, "go")
    bulk = Bulk(store, "me", 60)
    bulk.take_over()
    seen: list[Any] = []
    assert bulk.wipe(lambda done, total: seen.append((done, total))) == len(ours) - 1
    assert [name for name in ours if store.command("EXISTS", name)] == []
    assert [name for name in others if not store.command("EXISTS", name)] == []
    assert store.command("EXISTS", store.keys.dataset) == 1
    assert seen[-1] == (len(ours) - 1, len(ours) - 1), "of our keys, not of all there are"


def test_deliveries_under_way_leave_no_backlog_behind(
    services: Services, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.engine.delivery.open_jobs.HEARTBEAT_SECONDS", 0.0)
    for order in ("fanout:backlog:", "fanout:job:"):  # which of the two kinds of keys is met first
        services.loading.load_graph(generate_sized(90, 80, 3))
        for author in (1, 2, 3, 4, 5):
            services.engine.publish(author, "Before the load.", "write")
        deliverer = services.engine.deliverer("busy")
        deliverer.run_iteration(3)
        deliverer.run_iteration(3)
        assert services.engine.queue().backlog > 0
        bulk = Bulk(store, "me", 60)
        bulk.take_over()
        all_names = partial(Store.key_names, store)

        def ordered(first: str = order, all_names: Any = all_names) -> Any:
            yield from sorted(all_names(), key=lambda name: (not name.startswith(first), name))

        monkeypatch.setattr(store, "key_names", ordered)
        monkeypatch.setattr("app.datasets.bulk.PAGE_KEYS", 1)
        bulk.wipe(lambda *_, busy=deliverer: busy.run_iteration(3))
        queue = services.engine.queue()
        assert (queue.backlog, queue.jobs) == (0, 0), order
        while deliverer.run_iteration():
            pass
        assert services.engine.queue().backlog == 0
        with pytest.raises(UnknownUser):
            services.engine.publish(1, "Nobody is there.", "write")


def test_a_replaced_loader_can_change_nothing(store: Store) -> None:
    old, new = Bulk(store, "old", 60), Bulk(store, "new", 60)
    old.take_over()
    new.take_over()
    new.load(graph((1, 2), (3, 2)))
    before = store.command("DBSIZE") if not store.is_cluster else None
    with pytest.raises(Busy):
        old.load(graph((1, 2), (2, 1)))
    with pytest.raises(Busy):
        old.wipe()
    with pytest.raises(Busy):
        old.let_go()
    assert before is None or store.command("DBSIZE") == before
    assert stored_edges(store, [1, 2, 3])[0] == {(1, 2), (3, 2)}
    new.let_go()
    with pytest.raises(Busy):
        new.load(graph((5, 6)))


def test_a_preset_loads_with_posts_everywhere(services: Services, store: Store) -> None:
    stages: list[tuple[str, float]] = []
    loaded = services.loading.load_preset("small", 7, lambda *seen: stages.append(seen))
    assert (loaded.users, loaded.edges, loaded.posts) == (
        USERS,
        generate("small", 7).edges,
        60,
    )
    current = services.datasets.current()
    assert current["status"] == "ready"
    assert (current["preset"], current["seed"], current["percent"]) == ("small", 7, 100)
    assert (current["users"], current["edges"]) == (USERS, loaded.edges)
    assert current["error"] is None
    shares = [share for _, share in stages]
    assert shares == sorted(shares)
    assert [*dict(stages)] == ["generating", "clearing", "loading", "first posts"]
    kinds = {kind: services.users.list(kind, 100) for kind in KINDS}
    for kind, users in kinds.items():
        assert users
        assert {user.kind for user in users} == {kind}
    for user in (kinds["regular"][0], kinds["regular"][-1], kinds["celebrity"][0]):
        assert services.engine.compare(user.id, 20).identical
        assert services.engine.feed(user.id, "write", 20).items
    with_posts = {
        services.engine.feed(user.id, "read", 100).items[-1].author_id for user in kinds["popular"]
    }
    assert len(with_posts) > 1
    assert store.command("EXISTS", store.keys.loader(tag(0))) == 0


def test_loading_again_replaces_everything(services: Services) -> None:
    services.loading.load_preset("small", 1)
    first = services.datasets.current()
    services.loading.load_graph(graph((1, 2), (2, 1), (3, 1)))
    current = services.datasets.current()
    assert (current["preset"], current["users"], current["edges"]) == ("file", 3, 3)
    assert first["users"] == USERS
    assert services.users.get(1).followers == 2
    posts = services.engine.feed(3, "write", 100).items
    assert posts
    assert {post.author_id for post in posts} <= {1, 3}
    assert [post.id for post in services.engine.feed(3, "read", 100).items] == [
        post.id for post in posts
    ]


def test_a_request_waits_for_a_worker_and_is_loaded_once(services: Services) -> None:
    assert services.datasets.current()["status"] == "empty"
    services.datasets.request("small", 3)
    current = services.datasets.current()
    assert (current["status"], current["waiting"], current["percent"]) == ("loading", True, 0)
    with pytest.raises(Busy):
        services.datasets.request("small", 4)
    assert services.loading.run_pending()
    assert services.datasets.current()["status"] == "ready"
    time.sleep(0.3)
    assert not services.loading.run_pending()


def test_bad_requests_leave_no_trace(services: Services) -> None:
    for preset, seed in (("tiny", 1), ("", 1), ("small", -1), ("small", 2**53)):
        with pytest.raises(BadRequest):
            services.datasets.request(preset, seed)
        with pytest.raises(BadRequest):
            services.loading.load_preset(preset, seed)
    assert services.datasets.current()["status"] == "empty"
    assert not services.loading.run_pending()


def test_while_one_loads_nobody_else_may(services: Services, store: Store) -> None:
    assert DatasetState(store).lease("somebody", "small", 1)
    with pytest.raises(Busy):
        services.datasets.request("small", 1)
    with pytest.raises(Busy):
        services.loading.load_preset("small", 1)
    with pytest.raises(Busy):
        services.loading.load_graph(graph((1, 2)))
    assert not services.loading.run_pending()
    assert services.datasets.current()["status"] == "loading"


def test_a_dead_loader_is_replaced_after_its_lease_time_out(store: Store) -> None:
    state = DatasetState(store, lease_timeout_ms=200)
    assert state.lease("dies", "small", 5)
    assert state.heartbeat("dies", 40)
    assert state.current()["status"] == "loading"
    assert state.current()["percent"] == 40
    time.sleep(0.25)
    assert state.current()["status"] == "failed"
    assert "40 percent" in (state.current()["error"] or "")
    assert state.lease_work("second") == ("small", 5)
    assert not state.heartbeat("dies", 41), "the first one learns that it was replaced"
    assert not state.finish("dies", {"status": "ready"})
    time.sleep(0.25)
    assert state.lease_work("third") == ("small", 5)
    time.sleep(0.25)
    assert state.lease_work("fourth") is None, "three tries are enough"
    state.request("small", 6)  # but a person may ask again
    assert state.lease_work("fifth") == ("small", 6)


def test_a_dead_load_from_a_file_is_not_repeated(store: Store) -> None:
    state = DatasetState(store, lease_timeout_ms=100)
    assert state.lease("dies", "file", 1)
    time.sleep(0.15)
    assert state.current()["status"] == "failed"
    assert state.lease_work("second") is None


def test_a_failing_load_says_why(services: Services, store: Store, monkeypatch: Any) -> None:
    def breaks(*_: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(Bulk, "load", breaks)
    with pytest.raises(MemoryError):
        services.loading.load_preset("small", 1)
    current = services.datasets.current()
    assert (current["status"], current["error"]) == ("failed", "MemoryError")
    services.datasets.request("small", 1)
    assert services.loading.run_pending(), "the worker survives it"
    assert services.datasets.current()["status"] == "failed"


def test_a_stopped_load_is_begun_again(services: Services, store: Store) -> None:
    def stop(stage: str, share: float) -> None:
        if stage == "loading":
            raise LoadStopped

    services.datasets.request("small", 1)
    assert services.loading.run_pending(stop)
    assert services.datasets.current()["waiting"]
    other = Services(small_settings(), store)
    assert other.loading.run_pending()
    assert other.datasets.current()["status"] == "ready"
    assert other.engine.compare(1, 20).identical


def test_a_worker_gives_heartbeats_while_it_loads_and_stops_when_told(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.engine.delivery.worker.CONTROLS_SECONDS", 0.0)
    worker = worker_of(services, "loads")
    heartbeats_seen: list[str] = []
    load = Bulk.load

    def load_and_look(*args: Any) -> None:
        services.engine.workers.leave("loads")
        load(*args)
        heartbeats_seen.extend(one.name for one in services.engine.workers.live())

    monkeypatch.setattr(Bulk, "load", load_and_look)
    services.datasets.request("small", 1)
    assert worker.step()
    assert heartbeats_seen == ["loads"]
    assert services.datasets.current()["status"] == "ready"

    services.datasets.request("small", 2)
    time.sleep(0.3)
    worker.stop()
    assert worker.step()
    assert services.datasets.current()["waiting"], "left to the next worker"
    assert services.datasets.current()["seed"] == 2


def test_a_load_interrupted_by_another_stops_by_itself(
    services: Services, store: Store, monkeypatch: Any
) -> None:
    monkeypatch.setattr(loader, "HEARTBEAT_SECONDS", 0.02)
    replaced = threading.Event()

    def take_over(stage: str, share: float) -> None:
        if stage == "loading" and not replaced.is_set():
            replaced.set()
            store.command("HSET", store.keys.dataset, "loader", "somebody else")
            Bulk(store, "somebody else", 60).take_over()
            time.sleep(0.2)

    with pytest.raises(Busy):
        services.loading.load_preset("small", 1, take_over)
    assert replaced.is_set()
    assert services.datasets.current()["status"] == "loading", "the other one's load goes on"


def test_an_empty_store_is_seeded_by_the_first_worker(store: Store) -> None:
    for off in (
        small_settings(dataset="none", owns_store=1),
        small_settings(dataset="small", owns_store=0),
    ):
        assert not Services(off, store).loading.run_pending()
    services = Services(small_settings(dataset="small", owns_store=1), store)
    assert services.loading.run_pending()
    assert services.datasets.current()["preset"] == "small"
    time.sleep(0.3)
    assert not services.loading.run_pending(), "not a second time"


def test_a_store_with_users_is_left_alone(store: Store) -> None:
    store.command("SETBIT", store.keys.users(1), 0, 1)
    services = Services(small_settings(dataset="small", owns_store=1), store)
    assert not services.loading.run_pending()
    assert services.datasets.current()["status"] == "empty"


def test_two_workers_seed_once(store: Store) -> None:
    workers = [Services(small_settings(dataset="small", owns_store=1), store) for _ in range(2)]
    loaded: list[bool] = []
    threads = [
        threading.Thread(target=lambda one=one: loaded.append(one.loading.run_pending()))
        for one in workers
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(loaded) == [False, True]
    assert store.command("HGET", store.keys.dataset, "generation") == b"1"


def test_a_load_without_a_store_fails_by_its_lease_time_out(
    services: Services, store: Store, monkeypatch: Any
) -> None:
    def breaks(*_: Any) -> None:
        raise StoreDown("gone")

    monkeypatch.setattr(Bulk, "wipe", breaks)
    services.datasets.request("small", 1)
    with pytest.raises(StoreDown):
        services.loading.run_pending()
    assert DatasetState(store).current()["status"] == "loading"
    assert DatasetState(store, lease_timeout_ms=0).current()["status"] == "failed"


def test_first_posts_reach_all_kinds_within_the_budget() -> None:
    directories: dict[Kind, list[int]] = {
        "celebrity": list(range(1, 101)),
        "popular": list(range(101, 201)),
        "regular": [201, 202],
    }
    followers = {1: 900_000, **{user: 1_000_000 // user for user in range(2, 203)}}
    posts = first_posts.plan(directories, followers)
    assert posts[-1] == (1, first_posts.texts_of("celebrity")[0]), "the largest one on top"
    authors = [author for author, _ in posts]
    assert authors.count(1) == 1
    assert authors.count(201) == authors.count(202) == 10
    celebrities = [author for author in authors if author <= 100 and author != 1]
    assert 1 < len(celebrities) < 19
    assert sum(followers[author] for author in celebrities) <= first_posts.MAX_DELIVERIES
    texts = [text for _, text in posts]
    assert len(texts) == len(set(texts))
    assert first_posts.plan({"celebrity": [], "popular": [], "regular": [5]}, {5: 0}) == [
        (5, text) for text in reversed(first_posts.texts_of("regular"))
    ]
    assert first_posts.plan({}, {}) == []


def test_a_page_finds_its_sample_users_in_three_round_trips(
    services: Services, store: Store
) -> None:
    services.loading.load_preset("small", 1)
    with store.meter.on() as cost:
        people = demo_page.cast(services)
    assert [user.kind for user in people] == ["regular", "popular", "celebrity"]
    assert cost.round_trips <= 3
    with store.meter.on() as cost:
        offered = demo_page.followers_of(services, 1)
    assert len(offered) > 1
    assert cost.round_trips <= 3


def test_web_processes_do_without_numpy() -> None:
    code = "import sys, app.main; app.main.create_app(); sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
