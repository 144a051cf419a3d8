"""One primary of a Cluster without replicas is away: the jobs of the others go on."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator

import pytest
import redis

from app.bootstrap import Services
from app.engine.errors import StoreDown
from app.engine.models import STRATEGIES
from app.settings import Settings
from bench import servers
from tests.conftest import add_users, all_pages

USERS = range(60)
SHARDS = 12
WORKERS = 2
PATIENCE = 10.0
KEEPING = ("--appendonly", "yes", "--appendfsync", "always")


class Node:
    """A primary that is killed, and started again on its port."""

    def __init__(self, port: int) -> None:
        self.port = port
        with redis.Redis(port=port, decode_responses=True) as client:
            self.pid = int(client.info("server")["process_id"])
            self._folder = client.config_get("dir")["dir"]

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)

    @contextlib.contextmanager
    def back(self, *options: str) -> Iterator[None]:
        """It runs again for as long as the block lasts, and still knows the Cluster."""
        with servers.start(self._folder, self.port, *servers.NODE, *options) as process:
            try:
                yield
            finally:
                process.kill()


class Away:
    """A Cluster, one node of which will be away. Everybody follows the two authors, who live on
    the others, and has a timeline."""

    def __init__(self, ports: list[int], *, with_controls: bool) -> None:
        probe = opened(ports[0])
        controls = self._home(probe, probe.engine.store.keys.control)
        self.node = Node(
            controls if with_controls else next(port for port in ports if port != controls)
        )
        self._port = next(port for port in ports if port != self.node.port)
        self.services = opened(self._port)
        keys = self.services.engine.store.keys
        self.gone = {u for u in USERS if self._home(probe, keys.timeline(u)) == self.node.port}
        self.authors = [user for user in USERS if user not in self.gone][:2]
        add_users(self.services.engine.store, USERS)
        for user in USERS:
            for author in set(self.authors) - {user}:
                self.services.engine.follow(user, author)
        for user in USERS:
            self.services.engine.feed(user, "write")

        self._workers = [
            opened(self._port).engine.worker(f"worker {number}") for number in range(WORKERS)
        ]
        for worker in self._workers:
            worker.step()  # finds the Cluster

    @contextlib.contextmanager
    def working(self) -> Iterator[None]:
        threads = [threading.Thread(target=worker.run) for worker in self._workers]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            for worker in self._workers:
                worker.stop()
            for thread in threads:
                thread.join(PATIENCE)

    @staticmethod
    def _home(services: Services, key: str) -> int:
        return int(services.engine.store.redis.get_node_from_key(key).port)

    def publish(self, author: int) -> int:
        return self.services.engine.publish(self.authors[author], "hello", "write")[0].id

    def delivered(self, post: int) -> bool:
        """Whether all who can be reached have the post."""
        batch, keys = self.services.engine.store.batch(), self.services.engine.store.keys
        for user in set(USERS) - self.gone:
            batch.add("LPOS", keys.timeline(user), post)
        return None not in batch.run()

    def drained(self) -> bool:
        queue = self.services.engine.queue()
        return not (queue.jobs or queue.backlog)


@pytest.fixture
def ports() -> Iterator[list[int]]:
    with servers.cluster(replicas=0) as ports:
        for port in ports:
            with redis.Redis(port=port) as client:
                client.config_set("appendfsync", "always")
                client.config_set("appendonly", "yes")
        yield ports


@pytest.mark.parametrize("with_controls", [True, False])
def test_while_a_primary_is_killed_others_are_served_and_all_is_delivered_when_it_is_back(
    ports: list[int], with_controls: bool
) -> None:
    away = Away(ports, with_controls=with_controls)
    before = away.publish(0)
    away.node.kill()
    with away.working():
        until(lambda: away.delivered(before))
        after = away.publish(1)
        until(lambda: away.delivered(after))
        time.sleep(4)  # no heartbeat meanwhile counts against a job
        assert away.services.engine.queue().backlog == len(away.gone)
        assert not away.services.engine.dead_letters.list()
        with away.node.back(*KEEPING):
            until(away.drained)
            for user in USERS:
                for how in STRATEGIES:
                    assert all_pages(away.services, user, how) == [after, before]


def test_a_primary_that_comes_back_empty_stops_no_delivery(ports: list[int]) -> None:
    away = Away(ports, with_controls=True)
    posts = [away.publish(0)]
    away.node.kill()
    with away.working():
        posts.append(away.publish(1))
        until(lambda: all(map(away.delivered, posts)))
        with away.node.back():
            until(away.drained)
            posts.append(away.publish(0))
            until(lambda: away.delivered(posts[-1]) and away.drained())


def test_a_primary_that_hangs_costs_the_others_little(ports: list[int]) -> None:
    away = Away(ports, with_controls=True)
    posts = [away.publish(0)]
    with away.working():
        os.kill(away.node.pid, signal.SIGSTOP)
        try:
            for number in range(10):
                posts.append(away.publish(number % 2))
                until(lambda: away.delivered(posts[-1]))
        finally:
            os.kill(away.node.pid, signal.SIGCONT)
        until(away.drained)
        for user in USERS:
            for how in STRATEGIES:
                assert all_pages(away.services, user, how) == posts[::-1]


def test_more_jobs_wait_for_a_node_than_a_worker_keeps_open(ports: list[int]) -> None:
    away = Away(ports, with_controls=False)
    away.node.kill()
    with away.working():
        posts = [away.publish(0) for _ in range(3 * away.services.settings.open_jobs)]
        until(lambda: all(map(away.delivered, posts)))
        with away.node.back(*KEEPING):
            until(away.drained)
            for user in away.gone:
                assert all_pages(away.services, user, "write") == posts[::-1]


def opened(port: int) -> Services:
    settings = Settings(
        redis_url=f"redis://127.0.0.1:{port}",
        shards=SHARDS,
        log_cache_ms=0,
        pulled_authors_cache_ms=0,
        open_jobs=8,
    )
    return Services(settings)


def until(condition: Callable[[], object]) -> None:
    """Returns when it holds. What is away for a moment is asked again."""
    end = time.monotonic() + PATIENCE
    while True:
        with contextlib.suppress(StoreDown):
            if condition():
                return
        assert time.monotonic() < end, "not within ten seconds"
        time.sleep(0.05)
