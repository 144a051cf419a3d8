"""`flask seed`, `load-edges` and `verify` as a person meets them."""

import gzip
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from flask.testing import FlaskCliRunner

from app.bootstrap import Services
from app.datasets.presets import PRESETS, Preset
from app.datasets.state import DatasetState
from app.engine.errors import StoreDown
from app.engine.store.client import Store
from app.main import create_app
from tests.conftest import fake_redis, small_settings, store_of


class Command:
    """Runs commands against one store."""

    def __init__(self, store: Store) -> None:
        app = create_app(small_settings(), store)
        self.services: Services = app.extensions["fanout"]
        self._runner: FlaskCliRunner = app.test_cli_runner()

    def __call__(self, *words: str, **options: Any) -> Result:
        return self._runner.invoke(args=words, **options)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.setitem(PRESETS, "small", Preset(120, 114))
    return Command(store_of(fake_redis(), 4))


def test_seed_says_what_it_did(run: Command) -> None:
    result = run("seed", "small", "--seed", "4")
    assert result.exit_code == 0, result.output
    assert "Loaded 120 users and 1,5" in result.stdout
    assert "edges a second while loading" in result.stdout
    assert "ready" in result.stderr
    current = run.services.datasets.current()
    assert (current["status"], current["seed"]) == ("ready", 4)


def test_seed_refuses_what_it_does_not_know(run: Command) -> None:
    for words in (["seed", "gigantic"], ["seed", "small", "--seed", "-1"], ["seed", "small", "x"]):
        assert run(*words).exit_code == 2
    assert run.services.datasets.current()["status"] == "empty"


def test_seed_is_refused_while_another_load_runs(run: Command) -> None:
    assert DatasetState(run.services.engine.store).lease("somebody", "small", 1)
    result = run("seed", "small")
    assert result.exit_code == 1
    assert "Another process is loading" in result.stderr
    assert "Traceback" not in result.output


def test_without_a_store_a_command_says_so_and_what_to_do(
    run: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(*_: Any, **__: Any) -> Any:
        raise StoreDown("Redis does not answer.")

    monkeypatch.setattr(Store, "run", down)
    for words in (["seed", "small"], ["verify"]):
        result = run(*words)
        assert result.exit_code == 1
        assert "Redis does not answer" in result.stderr


def test_load_edges_from_a_file_and_a_packed_one(run: Command, tmp_path: Path) -> None:
    text = "# friends\n1 2\n2\t3\n2 3\n3,3\n"
    plain, zipped = tmp_path / "graph.txt", tmp_path / "graph.txt.gz"
    plain.write_text(text)
    zipped.write_bytes(gzip.compress(text.encode()))
    for file in (plain, zipped):
        result = run("load-edges", "--undirected", str(file))
        assert result.exit_code == 0, result.output
        assert (
            "Read 5 lines; left out 1 repeated edges and 1 from a user to itself." in result.stdout
        )
        assert "Loaded 3 users and 4 edges" in result.stdout
    result = run("load-edges", "-", input=text)
    assert "Loaded 3 users and 2 edges" in result.stdout


def test_a_broken_file_changes_nothing(run: Command, tmp_path: Path) -> None:
    run("seed", "small")
    before = run.services.datasets.current()
    broken = {
        "words.txt": (b"1 2\n\n3 four\n", "Line 3 is not an edge: '3 four'"),
        "bytes.txt": (b"1 2\n\xff\xfe 3\n", "Line 2 is not an edge"),
        "empty.txt": (b"", "holds no edge"),
        "cut.txt.gz": (gzip.compress(b"1 2\n" * 500)[:20], "cannot be read"),
        "plain.txt.gz": (b"1 2\n", "cannot be read"),
    }
    for name, (content, words) in broken.items():
        file = tmp_path / name
        file.write_bytes(content)
        result = run("load-edges", str(file))
        assert result.exit_code == 1, name
        assert words in result.stderr
        assert "Nothing was loaded." in result.stderr
        assert "Traceback" not in result.output
    assert run.services.datasets.current() == before
    assert run("load-edges", str(tmp_path / "missing")).exit_code == 2


def test_verify_counts_and_fails_where_a_feed_is_wrong(run: Command) -> None:
    assert run("verify").exit_code == 1, "nothing to compare yet"
    run("seed", "small")
    result = run("verify", "--posts", "30")
    assert result.exit_code == 0, result.output
    assert "120 users, 360 feeds" in result.stdout
    assert "0 feeds differ" in result.stdout
    assert run("verify", "--posts", "0", "--users", "5").stdout.startswith("5 users, 15 feeds")
    for wrong in ("none", "0", "121", "-3", "٣"):
        assert run("verify", "--users", wrong).exit_code == 2

    store = run.services.engine.store
    store.command("LPOP", store.keys.timeline(1))
    result = run("verify", "--posts", "0")
    assert result.exit_code == 1
    assert "user 1, write: 1 posts missing, 0 too many" in result.stderr


def test_an_interrupt_leaves_a_clear_state(run: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr("app.datasets.bulk.Bulk.wipe", interrupted)
    result = run("seed", "small")
    assert result.exit_code == 1
    current = run.services.datasets.current()
    assert (current["status"], current["error"]) == ("failed", "KeyboardInterrupt")
    monkeypatch.undo()
    monkeypatch.setitem(PRESETS, "small", Preset(120, 114))
    assert run("seed", "small").exit_code == 0
