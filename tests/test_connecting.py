"""What a process makes sure of before it works on a store."""

import time
from collections.abc import Iterator

import pytest
import redis

from app.engine import Engine
from app.engine.errors import WrongShards
from app.engine.store.connecting import connect
from app.engine.store.pool import FRESH_SECONDS
from app.settings import Settings
from bench import servers
from tests.conftest import small_settings


@pytest.fixture
def settings() -> Iterator[Settings]:
    with servers.server() as port:
        yield small_settings(redis_port=port)


def test_data_on_another_number_of_shards_is_refused(settings: Settings) -> None:
    early, late, first, again = (
        Engine.connect(settings.store_url, shards=shards) for shards in (8, 8, 4, 4)
    )
    assert early.graph.count() == 0, "an empty store takes any number"
    first.add_users([1, 2])
    with pytest.raises(WrongShards, match=r"over 4 shards; the settings say 8\."):
        late.graph.count()
    with pytest.raises(WrongShards, match="over 4 shards"):
        early.add_users([3])
    again.add_users([3])
    assert again.graph.count() == 3
    for engine in (early, first, again):
        engine.close()


def test_a_connection_is_lent_again_and_a_closed_one_replaced_after_a_rest(
    settings: Settings,
) -> None:
    store = connect(settings.store_url, settings)
    first = store.command("CLIENT", "ID")
    assert store.command("CLIENT", "ID") == first
    with redis.Redis(port=settings.redis_port) as client:
        client.client_kill_filter(_id=first)
    time.sleep(2 * FRESH_SECONDS)
    assert store.command("CLIENT", "ID") not in (None, first)
