"""One table of settings: read, checked, documented."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.commands.settings import as_markdown
from app.datasets.presets import PRESETS
from app.settings import DATASETS, RENAMED, BadSetting, Settings, table

README = Path(__file__).parent.parent / "README.md"


def test_defaults_and_environment() -> None:
    assert Settings.from_env({}) == Settings()
    assert Settings.from_env({"FANOUT_SHARDS": "16", "PORT": " 9000 "}).shards == 16
    assert Settings.from_env({"FANOUT_STORE_TIMEOUT": ""}) == Settings()


@pytest.mark.parametrize("new", RENAMED)
def test_an_old_name_counts_where_the_new_one_is_not_set(new: str) -> None:
    old = RENAMED[new]
    assert Settings.from_env({old: "70"}) == Settings.from_env({new: "70"}) != Settings()
    assert Settings.from_env({old: "70", new: "80"}) == Settings.from_env({new: "80"})


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("PORT", "eighty", "not a whole number"),
        ("FANOUT_SHARDS", "0", "the least is 1"),
        ("FANOUT_SHARDS", "257", "the most is 256"),
        ("FANOUT_CHUNK", "5000", "the most is 4000"),
        ("FANOUT_BACKLOG_LOW", "500000", "FANOUT_BACKLOG_LOW < FANOUT_BACKLOG_HIGH"),
        ("FANOUT_STORE_TIMEOUT", "soon", "not a number"),
        ("FANOUT_STORE_TIMEOUT", "nan", "the least is 0.05"),
        ("FANOUT_DATASET", "enormous", "one of: small, medium, large, huge, none"),
        ("FANOUT_KEY_PREFIX", "my feeds:", "letters, digits"),
        ("FANOUT_KEY_PREFIX", "{x}:", "letters, digits"),
        ("FANOUT_KEY_PREFIX", "x*", "letters, digits"),
        ("FANOUT_KEY_PREFIX", "it's", "letters, digits"),
        ("FANOUT_KEY_PREFIX", "x" * 33, "1 to 32"),
        ("FANOUT_OWNS_STORE", "2", "the most is 1"),
        ("PORT", "65536", "the most is 65535"),
        ("FANOUT_PAGE_LIMIT", "1001", "the most is 1000"),
        ("FANOUT_TIMELINE_CAP", "20001", "the most is 20000"),
        ("FANOUT_TIMELINE_SLACK", "20001", "the most is 20000"),
        ("FANOUT_LOG_CAP", "100001", "the most is 100000"),
        ("FANOUT_FOLLOWING_LIMIT", "50001", "the most is 50000"),
        ("FANOUT_LARGE_AUTHOR_FOLLOWERS", "600001", "at most FANOUT_BACKLOG_LIMIT"),
        ("FANOUT_CHUNKS_IN_FLIGHT", "201", "must be at most 100000"),
        ("FANOUT_TEXT_LIMIT", "65536", "must be below FANOUT_BODY_LIMIT"),
        ("FANOUT_HYBRID", "magic", "must be `cost` or `followers`"),
    ],
)
def test_a_bad_value_is_named(name: str, value: str, says: str) -> None:
    with pytest.raises(BadSetting, match=says):
        Settings.from_env({name: value})


def test_the_datasets_are_those_there_are() -> None:
    assert {*PRESETS, "none"} == set(DATASETS)


def test_the_readme_holds_the_table() -> None:
    """`flask --app app.main settings --markdown` prints it."""
    assert as_markdown() in README.read_text()


@pytest.mark.parametrize("row", table(), ids=lambda row: str(row["env"]))
def test_every_setting_says_what_it_does(row: dict[str, object]) -> None:
    assert str(row["help"]).endswith(".")
