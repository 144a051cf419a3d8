"""What a process makes sure of before it works on a store."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis

from app.domain.errors import WrongShards
from app.settings import Settings
from app.storage import keys, library
from app.storage.connecting import connect
from tests import servers
from tests.conftest import small_settings


@pytest.fixture
def settings() -> Iterator[Settings]:
    with servers.running(servers.valkey_binary()) as port:
        yield small_settings(redis_port=port)


def test_another_versions_functions_are_replaced(settings: Settings) -> None:
    with redis.Redis(port=settings.redis_port) as client:
        client.function_load(
            "#!lua name=fanout\nredis.register_function('fanout_publish', function() return 1 end)"
        )
        connect(settings).command("PING")
        assert client.fcall_ro("fanout_version", 0) == library.version().encode()
        assert client.execute_command("FUNCTION", "LIST", "LIBRARYNAME", "fanout")


def test_the_same_functions_are_left_alone(settings: Settings) -> None:
    connect(settings).command("PING")
    with redis.Redis(port=settings.redis_port) as client:
        client.config_resetstat()
        connect(settings).command("PING")
        assert "cmdstat_function|load" not in client.info("commandstats")


def test_data_on_another_number_of_shards_is_refused(settings: Settings) -> None:
    with redis.Redis(port=settings.redis_port) as client:
        client.hset(keys.DATASET, "shards", settings.shards + 1)
    with pytest.raises(WrongShards, match=f"FANOUT_SHARDS={settings.shards + 1}"):
        connect(settings).command("PING")
