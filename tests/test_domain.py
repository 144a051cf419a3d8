"""Ids, cursors, texts, merging, latency buckets: the rules that need no store."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.engine import histogram, ids, text
from app.engine.errors import BadCursor, BadText
from app.engine.feeds import page_cursor
from app.engine.feeds.merge import Source, merge

descending = st.sets(st.integers(1, 200), max_size=30).map(lambda s: sorted(s, reverse=True))


def test_a_post_id_tells_its_time_and_its_shard() -> None:
    post_id = (123_456 << 12) | (7 << 4) | 3
    assert ids.shard_of_post(post_id) == 7
    assert ids.millis_of(post_id) == ids.EPOCH_MS + 123_456
    assert ids.created_at(0) == "2026-01-01T00:00:00.000Z"


def test_the_lua_functions_use_the_same_epoch_as_python() -> None:
    lua = (Path(ids.__file__).parent / "store/lua/10_common.lua").read_text()
    found = re.search(r"EPOCH_MS = (\d+)", lua)
    assert found is not None
    assert int(found[1]) == ids.EPOCH_MS


@given(st.integers(0, 2**27 - 1), st.integers(1, ids.MAX_ID))
def test_a_page_cursor_decodes_to_the_position_it_was_made_of(user: int, last_id: int) -> None:
    assert page_cursor.decode(user, page_cursor.encode(user, last_id)) == last_id


@given(st.text(max_size=40))
def test_a_malformed_page_cursor_is_refused(nonsense: str) -> None:
    with pytest.raises(BadCursor):
        page_cursor.decode(1, nonsense)


def test_a_page_cursor_of_another_users_feed_is_refused() -> None:
    with pytest.raises(BadCursor, match="belongs to the feed of user 1"):
        page_cursor.decode(2, page_cursor.encode(1, 99))


@pytest.mark.parametrize("character", ["a", "\u00e9", "e\u0301", "👨‍👩‍👧‍👦", "🇩🇪", "नि"])
def test_a_texts_length_is_counted_in_grapheme_clusters(character: str) -> None:
    assert text.clean(character * 500, 500)
    with pytest.raises(BadText, match="501 characters"):
        text.clean(character * 501, 500)


@pytest.mark.parametrize(
    "bad",
    ["", "   ", "\n\t", "\u200b\u200b", "a\x00b", "\ud800", "a\udfffb", "e" + "\u0301" * 6000],
)
def test_an_empty_overlong_or_invalid_text_is_refused(bad: str) -> None:
    with pytest.raises(BadText):
        text.clean(bad, 500)


def test_a_text_is_stored_in_nfc_without_white_space_around_it() -> None:
    assert text.clean("  cafe\u0301 ", 4) == "caf\u00e9"


@given(st.lists(descending, max_size=6), st.integers(1, 10))
def test_merging_known_parts_is_a_prefix_of_the_truth(logs: list[list[int]], count: int) -> None:
    truth = sorted({post for log in logs for post in log}, reverse=True)
    merged = merge(Source(log[:count], len(log) < count) for log in logs)
    assert merged.ids == [post for post in truth if post >= merged.floor]
    assert len(merged.ids) >= min(count, len(truth))
    assert merged.floor > 0 or merged.ids == truth


@given(
    st.lists(st.floats(1e-5, 3600), min_size=1, max_size=200), st.sampled_from([0.5, 0.95, 0.99])
)
def test_a_quantile_is_off_by_nine_percent_at_most(durations: list[float], q: float) -> None:
    counts: dict[int, int] = {}
    for duration in durations:
        bucket = histogram.bucket_of(duration)
        counts[bucket] = counts.get(bucket, 0) + 1
    exact = sorted(durations)[max(1, -int(-q * len(durations) // 1)) - 1]
    found = histogram.quantile(counts, q)
    assert found is not None
    assert exact / 1.1 <= found <= exact * 1.1


def test_no_durations_have_no_quantile() -> None:
    assert histogram.quantile({}, 0.5) is None
