"""The pages without a browser: what is drawn, what the forms do, what is refused."""

import csv
import io
import re
from typing import Any

import pytest
from flask.testing import FlaskClient

from app.bootstrap import Services
from app.datasets.kinds import KINDS
from app.engine.errors import FanoutError, StoreDown, UnknownUser, WrongShards
from app.engine.store.inspection import key_lengths
from app.main import create_app
from app.settings import Settings
from app.web import formatting
from app.web.pages import inspector, status_page
from app.web.problems import ANSWERS, answer_to
from app.web.security import host_allowed
from tests.conftest import Backend, add_readers

STAR, READERS = 0, range(1, 9)
THIN = formatting.THIN


@pytest.fixture
def client(backend: Backend, settings: Settings) -> FlaskClient:
    return create_app(settings, backend.store(settings.shards)).test_client()


@pytest.fixture
def people(client: FlaskClient) -> FlaskClient:
    """Twelve users, eight of whom follow the first one; offered under every kind."""
    services = services_of(client)
    add_readers(services, STAR, READERS)
    for kind in KINDS:
        services.engine.store.command("RPUSH", services.engine.store.keys.directory(kind), STAR)
    return client


def services_of(client: Any) -> Services:
    found: Services = client.application.extensions["fanout"]
    return found


def text_of(answer: Any) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", "", answer.text))


def test_an_empty_store_gives_a_page_that_says_so(client: FlaskClient) -> None:
    answer = client.get("/")
    assert answer.status_code == 200
    assert "Nobody is here yet" in answer.text


def test_a_form_posts_and_the_page_tells_what_became_of_it(people: FlaskClient) -> None:
    form = {"author_id": STAR, "text": "By <b>form</b>", "strategy": "both"}
    answer = people.post("/", data=form)
    assert answer.status_code == 303
    services_of(people).engine.deliverer("w").run_until_idle()
    page = people.get(answer.location)
    assert page.text.count('class="story ') == 2
    assert "By &lt;b&gt;form&lt;/b&gt;" in page.text
    assert "<b>form" not in page.text
    said = text_of(page)
    assert f"1 post → {len(READERS)} deliveries in" in said
    assert "1 post → 0 deliveries" in said
    assert "All three strategies gave" in said
    assert "FCALL fanout_timeline_page" in said
    # The part that a script fetches is the part of the page.
    for story in re.findall(r'data-post="(\d+)"', page.text):
        assert f'data-post="{story}"' in people.get(f"/parts/stories?post={story}").text


@pytest.mark.parametrize(
    ("form", "status", "said"),
    [
        ({"author_id": STAR, "text": " ", "strategy": "write"}, 422, "text"),
        ({"author_id": STAR, "text": "x" * 501, "strategy": "write"}, 422, "500"),
        ({"author_id": 99, "text": "x", "strategy": "write"}, 404, "no user 99"),
        ({"author_id": "1e3", "text": "x", "strategy": "write"}, 422, "whole number"),
        ({"author_id": STAR, "text": "x", "strategy": "push"}, 422, "strategy"),
        ({}, 422, "author_id"),
    ],
)
def test_a_form_that_is_refused_comes_back_with_what_was_typed(
    people: FlaskClient, form: dict[str, Any], status: int, said: str
) -> None:
    answer = people.post("/", data=form)
    assert answer.status_code == status
    assert said in text_of(answer)
    assert 'role="alert"' in answer.text
    assert str(form.get("text", "")).strip() in answer.text


def test_the_workers_obey_the_form(people: FlaskClient) -> None:
    control = services_of(people).engine.control
    for rate_limit, paused, rate in (
        ("paused", True, None),
        ("500", False, 500),
        ("full", False, None),
    ):
        assert people.post("/workers", data={"rate": rate_limit}).status_code == 303
        assert (control.rate_limit().paused, control.rate_limit().deliveries_per_second) == (
            paused,
            rate,
        )
    assert people.post("/workers", data={"rate": "quick"}).status_code == 422


def test_a_burst_counts_what_was_accepted(people: FlaskClient) -> None:
    answer = people.post("/burst", data={"author_id": STAR, "count": 5})
    assert answer.location.endswith("accepted=5&refused=0#pressure")
    assert "5 posts accepted, 0 refused" in people.get(answer.location).text


@pytest.mark.parametrize(
    "form",
    [
        {"dead_letter": "99-1", "action": "requeue"},
        {"dead_letter": "0-x", "action": "requeue"},
        {"dead_letter": "0-1; FLUSHALL", "action": "discard"},
        {"action": "discard"},
        {"dead_letter": "0-" + "9" * 20, "action": "requeue"},
        {"dead_letter": "\u0663-\u0663", "action": "requeue"},
        {"dead_letter": "0-1", "action": "burn"},
    ],
)
def test_a_dead_letter_that_cannot_be_is_refused(people: FlaskClient, form: dict[str, Any]) -> None:
    assert people.post("/dead-letters", data=form).status_code == 422


def test_a_dead_letter_that_is_gone_does_no_harm(people: FlaskClient) -> None:
    form = {"dead_letter": "0-1", "action": "requeue"}
    assert people.post("/dead-letters", data=form).status_code == 303


def test_numbers_are_the_same_as_json_and_csv(people: FlaskClient) -> None:
    flat: Any = people.get("/numbers.json").json
    rows = list(csv.reader(io.StringIO(people.get("/numbers.csv").text)))
    assert rows[0] == ["name", "value"]
    assert {name for name, _ in rows[1:]} == set(flat)
    assert flat["queue.backlog"] == 0


def test_every_error_has_its_place_on_the_page_that_explains_it(client: FlaskClient) -> None:
    page = client.get("/how-it-works").text

    def kinds(kind: type[FanoutError]) -> set[type[FanoutError]]:
        return {kind}.union(*map(kinds, kind.__subclasses__()))

    assert kinds(FanoutError) == set(ANSWERS)
    for answer in ANSWERS.values():
        assert f'id="error-{answer.slug}"' in page


@pytest.mark.parametrize(
    ("error", "next_step"),
    [
        (UnknownUser(7), "GET /api/users"),
        (StoreDown("Redis does not answer."), "./status.sh"),
        (WrongShards(8, 4), "FANOUT_SHARDS"),
    ],
)
def test_an_answer_says_what_is_wrong_and_then_what_to_do(
    error: FanoutError, next_step: str
) -> None:
    detail = answer_to(error).detail
    assert detail.startswith(error.detail)
    assert next_step in detail.removeprefix(error.detail)


def test_the_status_page_lists_every_setting(people: FlaskClient) -> None:
    page = people.get("/status").text
    for row in status_page.rows(Settings()):
        assert f"<code>{row['env']}</code>" in page
        assert row["source"] == "default"


def test_a_setting_tells_where_it_comes_from_and_hides_a_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://me:secret@db:6379/0")
    monkeypatch.setenv("FANOUT_CHUNK", "10")
    rows = {row["env"]: row for row in status_page.rows(Settings())}
    assert rows["REDIS_URL"]["value"] == "redis://***@db:6379/0"
    default = Settings.model_fields["chunk"].default
    assert (rows["FANOUT_CHUNK"]["value"], rows["FANOUT_CHUNK"]["default"]) == ("10", str(default))
    assert rows["FANOUT_CHUNK"]["source"] == "environment"
    assert rows["PORT"]["source"] == "default"


def test_reset_asks_and_then_does(people: FlaskClient) -> None:
    assert "Yes, reset everything" in people.get("/status?reset=small").text
    assert "Yes, reset everything" not in people.get("/status?reset=other").text
    assert people.post("/status/reset", data={"preset": "other", "seed": 1}).status_code == 422
    assert people.post("/status/reset", data={"preset": "small", "seed": 1}).status_code == 303
    assert services_of(people).datasets.current()["preset"] == "small"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0, "0"),
        (19998, f"19{THIN}998"),
        (1234567, f"1{THIN}234{THIN}567"),
        (2.5, "2.5"),
        (None, "–"),
    ],
)
def test_numbers_are_told_in_words(value: float | None, said: str) -> None:
    assert formatting.number(value) == said


@pytest.mark.parametrize(
    ("ms", "said"),
    [
        (0.0052, "5.2 µs"),
        (0.042, "42 µs"),
        (0.42, "0.42 ms"),
        (3.14, "3.1 ms"),
        (31.4, "31 ms"),
        (9999, "9 999 ms"),
        (31400, "31 s"),
        (None, "–"),
    ],
)
def test_times_are_told_in_words(ms: float | None, said: str) -> None:
    assert formatting.duration(ms) == said.replace(" ", THIN)


def test_commands_are_shown_as_redis_cli_takes_them() -> None:
    assert inspector.shown(("LRANGE", "log:{3}:7", 0, 9)) == "LRANGE 'log:{3}:7' 0 9"
    assert inspector.shown(("SET", b"a b", "")) == "SET 'a b' ''"
    long = inspector.shown(("MGET", *range(1000, 1100)))
    assert len(long) < inspector.COMMAND_LENGTH_SHOWN + 20
    cut = int(long.split("(")[1].split(" ")[0])
    assert len(long.split("...")[0].split()) + cut == 101


def test_a_key_that_is_not_there_has_no_length(people: FlaskClient) -> None:
    store = services_of(people).engine.store
    wanted = [(store.keys.log(STAR), "list"), (store.keys.following(READERS[0]), "set")]
    assert key_lengths(store, wanted) == [None, 1]


def test_allowed_hosts_can_be_named() -> None:
    names = frozenset({"demo.example"})
    assert host_allowed("demo.example:8080", names)
    assert host_allowed("DEMO.example", names)
    assert not host_allowed("other.example", names)
    assert host_allowed("other.example", frozenset({"*"}))
