"""What the web process does while the store is away, and when it is back."""

import time

from app.bootstrap import Services
from app.main import create_app
from bench import servers
from bench.processes import free_port
from tests.conftest import add_users, small_settings
from tests.test_api import check_problem, publish


def test_the_store_goes_away_and_comes_back() -> None:
    settings = small_settings(redis_port=free_port(), store_timeout=0.5)
    app = create_app(settings)
    services: Services = app.extensions["fanout"]
    client = app.test_client()
    paths = ["/api/feed/1", "/api/compare/1", "/api/metrics", "/api/users", "/metrics"]
    for path in paths:
        begun = time.monotonic()
        check_problem(client.get(path), 503, "store-down")
        assert time.monotonic() - begun < 2
    answer = publish(client)
    check_problem(answer, 503, "store-down")
    assert int(answer.headers["Retry-After"]) >= 1
    assert client.get("/healthz").status_code == 200
    assert client.get("/readyz").status_code == 503
    with servers.server(port=settings.redis_port):
        add_users(services.engine.store, range(2))
        assert publish(client).status_code == 202
    check_problem(publish(client), 503, "store-down")
    with servers.server(port=settings.redis_port):
        add_users(services.engine.store, range(2))
        assert publish(client).status_code == 202
