"""A real Cluster of six servers on loopback; the engine's other tests run on one as well."""

import os
import signal
import time

import redis

from app.bootstrap import Services
from app.engine.errors import StoreDown
from app.engine.models import STRATEGIES
from app.settings import Settings
from app.web import rate_limit
from bench import servers
from tests.conftest import add_users, all_pages

USERS = range(60)


def test_the_shards_are_spread_over_the_nodes() -> None:
    with servers.cluster() as ports:
        services = opened(ports)
        homes = {
            services.engine.store.redis.get_node_from_key(
                services.engine.store.keys.jobs(shard)
            ).port
            for shard in range(services.settings.shards)
        }
        assert homes == set(ports[:3])


def test_the_rate_limiter_sends_no_hit_twice() -> None:
    """It has a client of its own on a Cluster."""
    with servers.cluster(replicas=0) as ports:
        services = opened(ports)
        assert rate_limit._storage(services.engine.store).storage.retry.get_retries() == 0


def test_after_a_primary_is_killed_every_feed_is_the_truth_again_within_ten_seconds() -> None:
    """Serving again within ten seconds, and every feed is the truth."""
    with servers.cluster() as ports:
        services = opened(ports)
        add_users(services.engine.store, USERS)
        for user in USERS[1:]:
            services.engine.follow(user, 0)
            services.engine.feed(user, "write")
        before = [services.engine.publish(0, f"post {n}", "write")[0].id for n in range(3)]
        worker = services.engine.deliverer("before")
        worker.run_until_idle()
        # Replication is asynchronous: what no replica has yet is lost with its primary.
        services.engine.store.redis.wait(1, 5000, target_nodes="primaries")

        victim = services.engine.store.redis.get_node_from_key(
            services.engine.store.keys.log(0)
        ).port
        with redis.Redis(port=victim) as node:
            os.kill(int(node.info("server")["process_id"]), signal.SIGKILL)
        begun = time.monotonic()
        after: list[int] = []
        while not after:
            try:
                after.append(services.engine.publish(0, "after", "write")[0].id)
            except StoreDown:
                assert time.monotonic() - begun < 10, "not serving again within ten seconds"
                time.sleep(0.1)
        services.engine.deliverer("after").run_until_idle()
        for user in USERS[1:]:
            for how in STRATEGIES:
                assert all_pages(services, user, how) == [*after, *before[::-1]]


def opened(ports: list[int]) -> Services:
    settings = Settings(redis_url=f"redis://127.0.0.1:{ports[-1]}", shards=12, log_cache_ms=0)
    return Services(settings)
