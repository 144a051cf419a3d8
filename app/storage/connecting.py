"""Opening the store that the settings name, and making sure that it fits this code."""

from __future__ import annotations

from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.cluster import RedisCluster
from redis.retry import Retry

from app.domain.errors import WrongShards
from app.settings import Settings
from app.storage.client import Store
from app.storage.failures import store_errors
from app.storage.keys import Keys

LOAD_SECONDS = 60.0
"""Time-out of the calls that load a dataset; a server that writes a lot may stop for seconds."""

NODE_SECONDS = 0.3
"""Time-out of reaching a Cluster's node. A request that meets a dead one tries it, its replica and
those who know the new layout, one after the other; a second for each would add up to many."""


def connect(settings: Settings) -> Store:
    """The store that the settings name, not yet connected."""
    keys = Keys(settings.key_prefix, settings.shards)
    return Store(
        lambda: _open(settings, keys, settings.store_timeout, retries=1),
        keys,
        lambda: _open(settings, keys, LOAD_SECONDS, retries=0),
    )


def _open(settings: Settings, keys: Keys, call_seconds: float, *, retries: int) -> Any:
    """A client for the URL; asks the server whether it is part of a Cluster. `retries` after a
    connection broke are made on a Cluster only."""
    options: dict[str, Any] = {
        "socket_timeout": call_seconds,
        "socket_connect_timeout": settings.store_timeout,
        "retry": Retry(NoBackoff(), 0),
    }
    with store_errors():
        client: Any = redis.Redis.from_url(settings.store_url, **options)
        if client.info("cluster").get("cluster_enabled"):
            client.close()
            # One retry: a node that failed over answers at its new place.
            options["retry"] = Retry(NoBackoff(), retries)
            options["socket_connect_timeout"] = min(settings.store_timeout, NODE_SECONDS)
            client = RedisCluster.from_url(settings.store_url, **options)
        _check_shards(client, keys)
    return client


def _check_shards(client: Any, keys: Keys) -> None:
    """The number of shards is part of every key's name. Raises `WrongShards`."""
    seeded = client.hget(keys.dataset, "shards")
    if seeded and int(seeded) not in (0, keys.shards):
        client.close()
        raise WrongShards(
            f"The data in the store is spread over {int(seeded)} shards, and FANOUT_SHARDS is "
            f"{keys.shards}. Start with FANOUT_SHARDS={int(seeded)}, or clear the store first."
        )
