"""`/readyz`, `/status` and the demo page judge the store, the workers and the dataset alike."""

from typing import Any

import pytest
import redis
from flask.testing import FlaskClient

from app.engine.store.workers import WorkerState
from app.main import create_app
from bench import servers
from bench.processes import free_port
from tests.conftest import Backend, small_settings
from tests.test_pages import services_of, text_of

SEED = "flask --app app.main seed medium"


def started(backend: Backend, **changes: Any) -> FlaskClient:
    """A web process with a live worker beside it, on an empty store."""
    settings = small_settings(**changes)
    client = create_app(settings, backend.store(settings.shards)).test_client()
    services_of(client).engine.workers.heartbeat(WorkerState("w", 0, 0))
    return client


def dataset(client: FlaskClient) -> Any:
    return client.get("/readyz").json["checks"]["dataset"]  # type: ignore[index]


def judged_alike(client: FlaskClient) -> bool:
    """Whether both say the same of every part; what they say."""
    answer: Any = client.get("/readyz")
    page = text_of(client.get("/status"))
    checks = answer.json["checks"]
    fine = all(check["ok"] for check in checks.values())
    assert (answer.status_code, answer.json["status"]) == ((200, "ready"), (503, "unready"))[
        not fine
    ]
    assert page.count("✓ fine") == sum(check["ok"] for check in checks.values())
    assert page.count("✗ not ready") == sum(not check["ok"] for check in checks.values())
    for check in checks.values():
        assert check.get("detail", "") in page
    return fine


def test_an_empty_store_that_others_may_use_waits_for_the_command(backend: Backend) -> None:
    client = started(backend, dataset="medium")
    assert not judged_alike(client)
    found = dataset(client)
    assert (found["ok"], found["status"]) == (False, "empty")
    assert SEED in found["detail"]
    for path in ("/", "/status"):
        assert SEED in text_of(client.get(path))
    assert "are being loaded" not in client.get("/").text


def test_an_empty_store_of_ours_waits_for_a_worker(backend: Backend) -> None:
    client = started(backend, dataset="medium", owns_store=1)
    assert not judged_alike(client)
    assert SEED not in dataset(client)["detail"]
    assert dataset(client)["detail"] in text_of(client.get("/"))


def test_an_empty_store_that_was_asked_for_is_ready(backend: Backend) -> None:
    client = started(backend, dataset="none")
    assert judged_alike(client)
    assert SEED in text_of(client.get("/"))


def test_a_load_that_failed_is_not_told_as_under_way(backend: Backend) -> None:
    client = started(backend, dataset="medium")
    store = services_of(client).engine.store
    store.command("HSET", store.keys.dataset, "status", "failed", "error", "It was stopped.")
    assert not judged_alike(client)
    page = text_of(client.get("/"))
    assert "It was stopped." in page
    assert "are being loaded" not in page


def test_a_load_under_way_is_told_with_its_progress(backend: Backend) -> None:
    client = started(backend, dataset="medium")
    services_of(client).datasets.request("small", 1)
    assert not judged_alike(client)
    assert dataset(client)["status"] == "loading"
    assert "are being loaded" in client.get("/").text


def test_without_a_worker_nothing_is_ready(backend: Backend) -> None:
    client = started(backend)
    services_of(client).engine.workers.leave("w")
    assert not judged_alike(client)
    assert "flask --app app.main worker" in text_of(client.get("/status"))


@pytest.fixture
def full() -> Any:
    settings = small_settings(redis_port=free_port())
    with (
        servers.server(port=settings.redis_port) as port,
        redis.Redis(port=port) as raw,
    ):
        client = create_app(settings).test_client()
        services_of(client).engine.workers.heartbeat(WorkerState("w", 0, 0))
        raw.config_set("maxmemory", 1)
        yield client


def test_a_full_store_takes_no_writes_and_the_rest_is_judged_all_the_same(full: Any) -> None:
    assert not judged_alike(full)
    checks = full.get("/readyz").json["checks"]
    assert checks["worker"] == {"ok": True, "count": 1}
    assert checks["dataset"]["ok"]
    assert not checks["store"]["ok"]
    for said in (checks["store"]["detail"], text_of(full.get("/status"))):
        assert "takes no writes" in said
        assert "Reading still works" in said
    assert full.get("/").status_code == full.get("/status").status_code == 200


def test_a_store_that_is_away_leaves_the_rest_unknown() -> None:
    settings = small_settings(redis_port=free_port())
    client = create_app(settings).test_client()
    assert not judged_alike(client)
    assert "does not answer" in text_of(client.get("/status"))
