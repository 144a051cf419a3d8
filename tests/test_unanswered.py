"""A write whose answer gets lost: it may have happened, so nobody repeats it unasked."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from redis.connection import AbstractConnection

from app.bootstrap import Services
from app.engine.errors import StoreDown
from app.main import create_app
from bench import servers
from tests.conftest import add_users, small_settings
from tests.test_api import check_problem

AUTHOR = 1
Lose = Callable[[str], None]


@pytest.fixture(scope="module", params=["one server", "Cluster"])
def port(request: pytest.FixtureRequest) -> Iterator[int]:
    if request.param == "Cluster":
        with servers.cluster(replicas=0) as ports:
            yield ports[0]
    else:
        with servers.server() as port:
            yield port


@pytest.fixture
def client(port: int) -> Any:
    settings = small_settings(redis_url=f"redis://127.0.0.1:{port}")
    client = create_app(settings).test_client()
    store = services(client).engine.store
    store.command("DEL", store.keys.log(AUTHOR))
    add_users(store, range(8))
    return client


@pytest.fixture
def lose(monkeypatch: pytest.MonkeyPatch) -> Lose:
    """Loses the next answer to a command that holds the given word: the server has done it."""
    send: Any = AbstractConnection.send_packed_command
    read: Any = AbstractConnection.read_response
    words: list[bytes] = []
    lost: set[AbstractConnection] = set()

    def sent(self: AbstractConnection, command: Any, *args: Any, **options: Any) -> None:
        parts = [command] if isinstance(command, bytes | str) else command
        text = b"".join(part.encode() if isinstance(part, str) else part for part in parts)
        if words and words[0] in text:
            words.clear()
            lost.add(self)
        send(self, command, *args, **options)

    def answered(self: AbstractConnection, *args: Any, **options: Any) -> Any:
        answer = read(self, *args, **options)
        if self in lost:
            lost.remove(self)
            raise redis.TimeoutError("Timeout reading from socket")
        return answer

    monkeypatch.setattr(AbstractConnection, "send_packed_command", sent)
    monkeypatch.setattr(AbstractConnection, "read_response", answered)
    return lambda word: words.append(word.encode())


def test_a_post_is_published_once_at_most_and_the_answer_says_so(client: Any, lose: Lose) -> None:
    assert publish(client).status_code == 202
    lose("fanout_publish")
    answer = publish(client)
    check_problem(answer, 503, "store-silent")
    assert "may have been accepted" in answer.json["detail"]
    assert posts(client) == 2


def test_the_same_key_tells_what_became_of_the_post(client: Any, lose: Lose) -> None:
    assert publish(client).status_code == 202
    lose("fanout_publish")
    key = {"Idempotency-Key": f"once-{id(client)}"}
    answer = publish(client, key)
    check_problem(answer, 503, "store-silent")
    assert "same Idempotency-Key" in answer.json["detail"]
    assert publish(client, key).status_code == 202
    assert posts(client) == 2


def test_a_batchs_writes_are_made_once_at_most(client: Any, lose: Lose) -> None:
    store = services(client).engine.store
    batch = store.batch()
    counters = [f"test-counter:{{{shard}}}" for shard in range(store.shards)]
    for counter in counters:
        batch.add("DEL", counter)
    batch.run()
    for counter in counters:
        batch.add("INCR", counter)
        batch.add("INCRBY", counter, 10)
    lose(counters[1])
    with pytest.raises(StoreDown, match="may have been made"):
        batch.run()
    assert [store.command("GET", counter) for counter in counters] == [b"11"] * len(counters)


def publish(client: Any, headers: dict[str, str] | None = None) -> Any:
    body = {"author_id": AUTHOR, "text": "hello", "strategy": "write"}
    return client.post("/api/posts", json=body, headers=headers)


def services(client: Any) -> Services:
    found: Services = client.application.extensions["fanout"]
    return found


def posts(client: Any) -> int:
    store = services(client).engine.store
    return int(store.command("LLEN", store.keys.log(AUTHOR)))
