"""The JSON API: its answers, its refusals, and what it does while the store is away."""

from typing import Any

import jsonschema_rs
import pytest
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families

from app.bootstrap import Services
from app.main import create_app
from app.settings import Settings
from tests.conftest import Backend, add_readers, add_users

# The engine is tested on every kind of store; HTTP is the same on all.
pytestmark = pytest.mark.parametrize("backend", ["fake", "valkey"], indirect=True)

READERS = range(1, 6)
JSON = "application/json"


@pytest.fixture
def client(backend: Backend, settings: Settings) -> FlaskClient:
    app = create_app(settings, backend.store(settings.shards))
    services: Services = app.extensions["fanout"]
    add_readers(services, 0, READERS)
    return app.test_client()


def services_of(client: Any) -> Services:
    found: Services = client.application.extensions["fanout"]
    return found


def publish(client: Any, text: str = "hello", **more: Any) -> Any:
    return client.post("/api/posts", json={"author_id": 0, "text": text, **more})


def test_a_post_from_acceptance_to_every_feed(client: Any) -> None:
    answer = publish(client, strategy="write")
    assert answer.status_code == 202
    post, fanout = answer.json["post"], answer.json["fanout"]
    assert set(post) == {"id", "author_id", "text", "created_at", "strategy"}
    assert (fanout["status"], fanout["recipients"]) == ("queued", len(READERS))
    assert client.get(fanout["status_url"]).json["status"] == "queued"
    services_of(client).engine.deliverer("w").run_until_idle()
    state = client.get(fanout["status_url"]).json
    assert (state["status"], state["delivered"], state["skipped"]) == ("done", len(READERS), 0)
    assert client.get(f"/api/posts/{post['id']}").json == post
    for strategy in ("write", "read", "hybrid"):
        feed = client.get(f"/api/feed/1?strategy={strategy}").json
        assert feed["items"] == [post]
        assert feed["next_cursor"] is None
        assert feed["strategy"] == strategy
        assert list(feed["timing_ms"]) == ["total"]
        assert feed["timing_ms"]["total"] > 0
        assert feed["commands"] >= feed["round_trips"] > 0
    compared = client.get("/api/compare/1").json
    assert compared["identical"] is True
    assert set(compared["strategies"]) == {"write", "read", "hybrid"}


def test_page_cursors_lead_through_the_whole_feed(client: Any) -> None:
    ids = [publish(client, f"post {n}", strategy="read").json["post"]["id"] for n in range(5)]
    seen: list[int] = []
    cursor = ""
    while True:
        page = client.get(f"/api/feed/1?limit=2{cursor}").json
        seen += [post["id"] for post in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert seen == ids[::-1]


def test_a_deleted_post_is_gone_by_http(client: Any) -> None:
    post = publish(client, strategy="read").json["post"]
    assert client.delete(f"/api/posts/{post['id']}").status_code == 204
    assert client.get(f"/api/posts/{post['id']}").status_code == 404
    assert client.delete(f"/api/posts/{post['id']}").status_code == 404
    assert client.get("/api/feed/1").json["items"] == []
    check_problem(client.get(f"/api/posts/{post['id']}/fanout"), 404, "unknown-post")


def test_users_are_followed_and_unfollowed_by_http(client: Any) -> None:
    publish(client, strategy="read")
    assert client.put("/api/users/9/following/0").status_code == 204
    assert client.put("/api/users/9/following/0").status_code == 204
    assert len(client.get("/api/feed/9").json["items"]) == 1
    assert client.get("/api/users/9").json["following"] == 1
    assert client.delete("/api/users/9/following/0").status_code == 204
    assert client.get("/api/feed/9").json["items"] == []


def test_a_repeated_idempotency_key_returns_the_first_answer(client: Any) -> None:
    def post(text: str) -> Any:
        return client.post(
            "/api/posts",
            json={"author_id": 0, "text": text, "strategy": "write"},
            headers={"Idempotency-Key": "abc"},
        )

    first = post("hello")
    assert post("hello").json == first.json
    assert post("other").status_code == 422
    assert client.delete(f"/api/posts/{first.json['post']['id']}").status_code == 204
    assert post("hello").json == first.json, "also of a post that was deleted since"


@pytest.mark.parametrize(
    ("body", "status", "slug"),
    [
        ('{"author_id": 0, "text": ""}', 422, "bad-text"),
        ('{"author_id": 0, "text": " \\n "}', 422, "bad-text"),
        ('{"author_id": 0, "text": "a\\u0000b"}', 422, "bad-text"),
        ('{"author_id": 0, "text": "\\ud800"}', 422, "bad-text"),
        ('{"author_id": 0, "text": "\\udc00"}', 422, "bad-text"),
        ('{"author_id": 0, "text": "\\ud800\\ud800"}', 422, "bad-text"),
        ('{"author_id": 0, "text": "\\uZZZZ"}', 400, "broken-json"),
        ('{"author_id": 0, "text": "' + "x" * 501 + '"}', 422, "bad-text"),
        ('{"author_id": 0, "text": 7}', 422, "invalid-fields"),
        ('{"author_id": 0}', 422, "invalid-fields"),
        ('{"author_id": "0", "text": "x"}', 422, "invalid-fields"),
        ('{"author_id": true, "text": "x"}', 422, "invalid-fields"),
        ('{"author_id": -1, "text": "x"}', 422, "invalid-fields"),
        ('{"author_id": 0, "text": "x", "strategy": "fast"}', 422, "invalid-fields"),
        ('{"author_id": 0, "text": "x", "stratgey": "write"}', 422, "invalid-fields"),
        ('{"author_id": 700, "text": "x"}', 404, "unknown-user"),
        ('{"author_id": 0, "text": "x"', 400, "broken-json"),
        ("", 400, "broken-json"),
        ("[]", 400, "broken-json"),
        ("[" * 30_000 + "]" * 30_000, 400, "broken-json"),
        ('"{}"', 400, "broken-json"),
        ('{"author_id": 0, "text": "' + "x" * 70_000 + '"}', 413, "blank"),
    ],
)
def test_a_bad_post_is_refused_with_a_problem(
    client: Any, body: str, status: int, slug: str
) -> None:
    answer = client.post("/api/posts", data=body, content_type="application/json")
    check_problem(answer, status, slug)
    assert services_of(client).engine.queue().jobs == 0


@pytest.mark.parametrize(
    ("method", "path", "status", "slug"),
    [
        ("GET", "/api/feed/1?strategy=fast", 422, "invalid-fields"),
        ("GET", "/api/feed/1?limit=0", 422, "invalid-fields"),
        ("GET", "/api/feed/1?limit=101", 422, "invalid-fields"),
        ("GET", "/api/feed/1?limit=1&limit=2", 422, "invalid-fields"),
        ("GET", "/api/feed/1?limit=many", 422, "invalid-fields"),
        ("GET", "/api/feed/1?cursor=nonsense", 400, "bad-cursor"),
        ("GET", "/api/feed/1?colour=red", 422, "invalid-fields"),
        ("GET", "/api/feed/700", 404, "unknown-user"),
        ("GET", "/api/feed/999999999999", 422, "invalid-fields"),
        ("GET", "/api/compare/700", 404, "unknown-user"),
        ("GET", "/api/posts/12345", 404, "unknown-post"),
        ("GET", "/api/posts/12345/fanout", 404, "unknown-post"),
        ("DELETE", "/api/posts/12345", 404, "unknown-post"),
        ("GET", "/api/users?kind=robot", 422, "invalid-fields"),
        ("GET", "/api/users?limit=1000", 422, "invalid-fields"),
        ("GET", "/api/users/700", 404, "unknown-user"),
        ("PUT", "/api/users/1/following/1", 409, "self-follow"),
        ("PUT", "/api/users/1/following/700", 404, "unknown-user"),
        ("DELETE", "/api/users/700/following/1", 404, "unknown-user"),
        ("GET", "/api/nothing", 404, "blank"),
        ("PATCH", "/api/posts", 405, "blank"),
        ("POST", "/api/posts", 415, "not-json"),
    ],
)
def test_a_bad_request_is_refused_with_a_problem(
    client: Any, method: str, path: str, status: int, slug: str
) -> None:
    check_problem(client.open(path, method=method), status, slug)


def test_a_page_cursor_of_another_feed_is_refused_by_http(client: Any) -> None:
    for n in range(3):
        publish(client, f"post {n}", strategy="read")
    cursor = client.get("/api/feed/1?limit=1").json["next_cursor"]
    check_problem(client.get(f"/api/feed/2?cursor={cursor}"), 400, "bad-cursor")


def check_problem(answer: Any, status: int, slug: str) -> None:
    assert answer.status_code == status, answer.text
    assert answer.mimetype == "application/problem+json"
    assert set(answer.json) == {"type", "title", "status", "detail"}
    assert answer.json["status"] == status
    about = answer.json["type"]
    assert about == "about:blank" if slug == "blank" else about.endswith(f"#error-{slug}")
    assert len(answer.json["detail"]) > 15
    assert "Traceback" not in answer.text


def test_metrics_count_posts_deliveries_and_reads(client: Any) -> None:
    publish(client, strategy="write")
    publish(client, "two", strategy="read")
    services_of(client).engine.deliverer("w").run_until_idle()
    client.get("/api/feed/1?strategy=read")
    found = client.get("/api/metrics").json
    assert found["fanout"]["posts_total"] == {"write": 1, "read": 1, "hybrid": 0}
    assert found["fanout"]["deliveries_total"] == len(READERS)
    assert found["fanout"]["jobs_total"] == 1
    assert found["processing"]["accept"]["write"]["count"] == 1
    assert found["processing"]["lag"]["write"]["p50_ms"] > 0
    assert found["processing"]["feed"]["read"]["count"] == 1
    assert found["processing"]["feed"]["hybrid"]["p99_ms"] is None
    assert found["active_users"] == len(READERS) + 1
    assert found["backpressure"]["pull_authors"] == 1


def test_prometheus_text_parses_and_has_no_user(client: Any) -> None:
    publish(client, strategy="write")
    text = client.get("/metrics").text
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert families
    for name, family in families.items():
        assert name.startswith("fanout_")
        for sample in family.samples:
            assert set(sample.labels) <= {"strategy", "stage", "le"}
    counts = {
        sample.labels["strategy"]: sample.value
        for sample in families["fanout_accept_seconds"].samples
        if sample.name.endswith("_count")
    }
    assert counts["write"] == 1


def test_the_description_names_every_route(client: Any) -> None:
    described = client.get("/api/openapi.json").json
    assert described["openapi"] == "3.1.0"
    for rule in client.application.url_map.iter_rules():
        if rule.rule.startswith("/api/") and not rule.rule.startswith(
            ("/api/docs", "/api/openapi")
        ):
            path = rule.rule.replace("<int:", "{").replace("<", "{").replace(">", "}")
            methods = {method.lower() for method in rule.methods or ()} - {"head", "options"}
            assert methods <= set(described["paths"][path]), path


def test_the_description_names_the_largest_page_of_the_settings(
    backend: Backend, settings: Settings
) -> None:
    app = create_app(settings.model_copy(update={"page_limit": 50}), backend.store(settings.shards))
    client: Any = app.test_client()
    paths = client.get("/api/openapi.json").json["paths"]
    for path in ("/api/feed/{user_id}", "/api/compare/{user_id}"):
        (limit,) = (p for p in paths[path]["get"]["parameters"] if p["name"] == "limit")
        assert (limit["schema"]["minimum"], limit["schema"]["maximum"]) == (1, 50)
    check_problem(client.get("/api/feed/1?limit=51"), 422, "invalid-fields")


def test_an_answer_that_is_not_described_is_noticed(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = services_of(client).snapshot()
    monkeypatch.setattr(Services, "snapshot", lambda self: {**snapshot, "more": 1})
    with pytest.raises(jsonschema_rs.ValidationError, match="more"):
        client.get("/api/metrics")


def test_the_description_tells_errors_as_they_are(client: Any) -> None:
    described = client.get("/api/openapi.json").json
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            assert "<br/>" not in operation["description"]
            good = [status for status in operation["responses"] if int(status) < 400]
            assert good, (method, path)
            for status, response in operation["responses"].items():
                if int(status) >= 400:
                    assert list(response["content"]) == ["application/problem+json"]
    schemas = described["components"]["schemas"]
    for path, name in (
        ("/api/metrics", "Snapshot"),
        ("/api/datasets/current", "Dataset"),
    ):
        assert set(client.get(path).json) == set(schemas[name]["properties"])


def test_a_bug_of_ours_is_a_problem_without_a_trace(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Services, "snapshot", lambda self: 1 // 0)
    check_problem(client.get("/api/metrics"), 500, "internal")


def test_a_wrong_method_is_told_the_right_ones(client: Any) -> None:
    assert "POST" in client.patch("/api/posts").headers["Allow"]


def test_controls(client: Any) -> None:
    answer = client.put("/api/workers", json={"paused": True, "deliveries_per_second": 500})
    assert answer.json == {"paused": True, "deliveries_per_second": 500}
    assert client.get("/api/metrics").json["workers"]["paused"] is True
    check_problem(
        client.put("/api/workers", json={"deliveries_per_second": 0}), 422, "invalid-fields"
    )
    fast = client.put("/api/workers", data='{"deliveries_per_second": 1e8}', content_type=JSON)
    assert fast.json["deliveries_per_second"] == 100_000_000, "a whole number, however written"
    assert client.put("/api/workers", json={}).json["paused"] is False


def test_health(client: Any) -> None:
    assert client.get("/healthz").json == {"status": "alive"}
    answer = client.get("/readyz")
    assert answer.status_code == 503, "no worker, no dataset"
    assert answer.json["checks"]["store"]["ok"] is True
    assert answer.json["checks"]["worker"] == {"ok": False, "count": 0}


def test_a_client_over_the_rate_limit_gets_429(backend: Backend, settings: Settings) -> None:
    store = backend.store(settings.shards)
    app = create_app(settings.model_copy(update={"rate_limit": "3/minute"}), store)
    add_users(store, range(2))
    client = app.test_client()
    answers = [publish(client) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [202, 202, 202, 429]
    check_problem(answers[3], 429, "too-fast")
    assert 1 <= int(answers[3].headers["Retry-After"]) <= 60
    assert answers[0].headers["RateLimit-Policy"] == '"client";q=3;w=60'
    assert answers[0].headers["RateLimit"].startswith('"client";r=2;')
    assert client.get("/api/metrics").status_code == 200, "reading is not bounded"
    other = client.post(
        "/api/posts", json={"author_id": 0, "text": "x"}, environ_base={"REMOTE_ADDR": "10.0.0.9"}
    )
    assert other.status_code == 202
