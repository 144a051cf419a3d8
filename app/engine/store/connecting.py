"""Opening the store that the settings name, and making sure that it fits this code."""

from pathlib import Path
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.cluster import RedisCluster
from redis.retry import Retry

from ..errors import WrongShards
from ..settings import EngineSettings
from .client import Client, Store
from .failures import store_errors
from .keys import Keys
from .nodes import NODE_SECONDS
from .pool import Pool

LOAD_SECONDS = 60.0
"""Time-out of the calls that load a dataset; a server that writes a lot may stop for seconds."""


def connect(url: str, settings: EngineSettings, *lua: Path) -> Store:
    """The store at this URL, not yet connected; `lua` are folders of further server functions."""
    keys = Keys(settings.key_prefix, settings.shards)

    def open_client(call_seconds: float = settings.store_timeout) -> Client:
        options: dict[str, Any] = {
            "socket_timeout": call_seconds,
            "socket_connect_timeout": settings.store_timeout,
            "retry": Retry(NoBackoff(), 0),  # a call whose answer got lost may have happened
        }
        with store_errors():
            client: Client = redis.Redis.from_pool(Pool.from_url(url, **options))
            info: Any = client.info("cluster")  # asks whether the server is part of one
            if info.get("cluster_enabled"):
                client.close()
                options["socket_connect_timeout"] = min(settings.store_timeout, NODE_SECONDS)
                client = RedisCluster.from_url(url, **options)
            _check_shards(client, keys)
        return client

    return Store(open_client, keys, lambda: open_client(LOAD_SECONDS), lua)


def _check_shards(client: Any, keys: Keys) -> None:
    """The number of shards is part of every key's name. Raises `WrongShards`."""
    found = client.get(keys.shard_count)
    if found and int(found) != keys.shards:
        client.close()
        raise WrongShards(int(found), keys.shards)
