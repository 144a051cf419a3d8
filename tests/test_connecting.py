"""What a process makes sure of before it works on a store."""

from collections.abc import Iterator

import pytest
import redis

from app.engine.errors import WrongShards
from app.engine.store.connecting import connect
from app.engine.store.keys import Keys
from app.settings import Settings
from bench import servers
from tests.conftest import small_settings


@pytest.fixture
def settings() -> Iterator[Settings]:
    with servers.server() as port:
        yield small_settings(redis_port=port)


def test_data_on_another_number_of_shards_is_refused(settings: Settings) -> None:
    with redis.Redis(port=settings.redis_port) as client:
        client.hset(Keys("fanout:", 1).dataset, "shards", settings.shards + 1)
    with pytest.raises(WrongShards, match=f"over {settings.shards + 1} shards"):
        connect(settings.store_url, settings).command("PING")
