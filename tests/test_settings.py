"""One table of settings: read, checked, documented."""

import os
from pathlib import Path
from typing import get_args
from unittest.mock import patch

import pytest

from app.commands.settings import as_markdown
from app.datasets.presets import PRESETS
from app.settings import BadSetting, Settings, table, variables

README = Path(__file__).parent.parent / "README.md"


RENAMED = [names for field in Settings.model_fields.items() if len(names := variables(*field)) > 1]


def settings_of(**environ: str) -> Settings:
    with patch.dict(os.environ, environ):
        return Settings.from_environment()


def test_a_setting_is_its_default_or_what_the_environment_says() -> None:
    assert settings_of() == Settings()
    assert settings_of(FANOUT_SHARDS="16", PORT=" 9000 ").shards == 16
    assert settings_of(FANOUT_STORE_TIMEOUT="") == Settings()


@pytest.mark.parametrize(("new", "old"), RENAMED)
def test_an_old_name_counts_where_the_new_one_is_not_set(new: str, old: str) -> None:
    assert settings_of(**{old: "70"}) == settings_of(**{new: "70"}) != Settings()
    assert settings_of(**{old: "70", new: "80"}) == settings_of(**{new: "80"})


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("PORT", "eighty", "valid integer"),
        ("FANOUT_SHARDS", "0", "greater than or equal to 1"),
        ("FANOUT_SHARDS", "257", "less than or equal to 256"),
        ("FANOUT_CHUNK", "5000", "less than or equal to 4000"),
        ("FANOUT_BACKLOG_LOW", "500000", "FANOUT_BACKLOG_LOW < FANOUT_BACKLOG_HIGH"),
        ("FANOUT_STORE_TIMEOUT", "soon", "valid number"),
        ("FANOUT_STORE_TIMEOUT", "nan", "finite number"),
        ("FANOUT_DATASET", "enormous", "'small', 'medium', 'large', 'huge' or 'none'"),
        ("FANOUT_KEY_PREFIX", "my feeds:", "should match pattern"),
        ("FANOUT_KEY_PREFIX", "{x}:", "should match pattern"),
        ("FANOUT_KEY_PREFIX", "x*", "should match pattern"),
        ("FANOUT_KEY_PREFIX", "it's", "should match pattern"),
        ("FANOUT_KEY_PREFIX", "x" * 33, "should match pattern"),
        ("FANOUT_OWNS_STORE", "2", "less than or equal to 1"),
        ("PORT", "65536", "less than or equal to 65535"),
        ("FANOUT_PAGE_LIMIT", "1001", "less than or equal to 1000"),
        ("FANOUT_TIMELINE_CAP", "20001", "less than or equal to 20000"),
        ("FANOUT_TIMELINE_SLACK", "20001", "less than or equal to 20000"),
        ("FANOUT_LOG_CAP", "100001", "less than or equal to 100000"),
        ("FANOUT_FOLLOWING_LIMIT", "50001", "less than or equal to 50000"),
        ("FANOUT_LARGE_AUTHOR_FOLLOWERS", "600001", "at most FANOUT_BACKLOG_LIMIT"),
        ("FANOUT_CHUNKS_IN_FLIGHT", "201", "must be at most 100000"),
        ("FANOUT_TEXT_LIMIT", "65536", "must be below FANOUT_BODY_LIMIT"),
        ("FANOUT_HYBRID", "magic", "'cost' or 'followers'"),
    ],
)
def test_a_bad_value_is_named(name: str, value: str, says: str) -> None:
    with pytest.raises(BadSetting, match=says):
        settings_of(**{name: value})


def test_the_setting_dataset_takes_every_preset() -> None:
    dataset = Settings.model_fields["dataset"].annotation
    assert {*PRESETS, "none"} == set(get_args(dataset))


def test_the_readme_holds_the_table() -> None:
    """`flask --app app.main settings --markdown` prints it."""
    assert as_markdown() in README.read_text()


@pytest.mark.parametrize("row", table(), ids=lambda row: str(row["env"]))
def test_every_setting_says_what_it_does(row: dict[str, object]) -> None:
    assert str(row["help"]).endswith(".")
