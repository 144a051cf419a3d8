"""The bench itself: its arithmetic, its checks, and that baselines deliver what we deliver."""

import dataclasses
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from bench import allocators, fixture, measure, report, report_text
from bench.context import Context
from bench.measure import Outcome, Target
from bench.rows import delivery, memory, reading
from bench.table import ROWS

TINY = fixture.Sizes(
    readers=600,
    large=300,
    length=800,
    authors={10: 2, 300: 1},
    log_authors=40,
    posts_per_log=30,
    page_readers=2,
    following=30,
    sorted_sets=20,
)


def test_both_sides_alternate_and_the_first_round_does_not_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # What other tests left open must not be found, and blamed on this one.
    monkeypatch.setattr("bench.measure.gc.collect", lambda: 0)
    calls: list[str] = []
    figures = iter(range(100))

    def side(name: str) -> float:
        calls.append(name)
        return float(next(figures))

    ours, baseline = measure.alternate(2, lambda: side("ours"), lambda: side("baseline"))
    assert calls == ["baseline", "ours", "ours", "baseline", "baseline", "ours"]
    assert ours == [2.0, 5.0]
    assert baseline == [3.0, 4.0]


def test_a_quantile_is_the_value_below_which_its_share_lies() -> None:
    values = [float(n) for n in range(1, 101)]
    assert measure.quantile(values, 0.99) == 99
    assert measure.quantile(values, 0.5) == 50
    assert measure.quantile([7.0], 0.99) == 7


def test_the_line_is_found_and_what_lies_beside_it() -> None:
    sizes = [1_000, 10_000, 100_000]
    fixed, each, worst = measure.line(sizes, [0.001 + 1e-6 * size for size in sizes])
    assert fixed == pytest.approx(0.001)
    assert each == pytest.approx(1e-6)
    assert worst == pytest.approx(0, abs=1e-9)
    assert measure.line(sizes, [0.001, 0.01, 0.2])[2] > 0.2


def test_a_target_is_met_from_its_own_side() -> None:
    assert Target(True, 6).met(6.1)
    assert not Target(True, 6).met(5.9)
    assert Target(False, 1.4).met(1.3)
    assert not Target(False, 1.4).met(1.5)


def test_all_rows_are_there() -> None:
    assert [row.number for row in ROWS] == list(range(1, 21))


def test_the_report_has_all_rows_and_says_what_was_missed(tmp_path: Path) -> None:
    run = report.Run("2026-11-23", "python -m bench", {"rounds": 1}, {"cpu": "a cpu"})
    run.add(ROWS[0], Outcome("deliveries/s", [900.0], [100.0], notes=["checked"]), durable=True)
    run.add(ROWS[1], Outcome("deliveries/s", [700.0], [100.0]), durable=True)
    run.add(
        ROWS[2], Outcome("deliveries/s", [9e3], [100.0], others={"never late": False}), durable=True
    )
    run.skip(ROWS[3], "no tool", durable=True)
    report.save(run, tmp_path / "run.json")
    again = report.load(tmp_path / "run.json")
    text = report_text.markdown(dataclasses.asdict(again), "run.json")
    assert "**9.00×** (9.00-9.00) | ≥ 8× | yes |" in text
    assert "**7.00×** (7.00-7.00) | ≥ 40× | no |" in text
    assert "**90.0×** (90.0-90.0) | ≥ 40× | no |" in text
    assert "skipped: no tool" in text
    assert "a cpu" in text


@pytest.fixture(scope="module")
def tiny() -> Iterator[Context]:
    class Tiny(Context):
        @property
        def sizes(self) -> fixture.Sizes:
            return TINY

    context = Tiny(rounds=1)
    with context.stack:
        yield context


@pytest.mark.parametrize(
    "row",
    [delivery.pipelined, delivery.one_by_one, delivery.queued, delivery.safety],
)
def test_baselines_deliver_what_we_deliver(tiny: Context, row: object) -> None:
    outcome = row(tiny)  # type: ignore[operator]
    assert len(outcome.ratios) == 1
    assert outcome.ratios[0] > 0


@pytest.mark.parametrize("row", [reading.timeline, reading.pull])
def test_baselines_read_what_we_read(tiny: Context, row: object) -> None:
    assert row(tiny).ratios[0] > 0  # type: ignore[operator]


def test_a_timeline_entry_takes_less_than_in_a_sorted_set(tiny: Context) -> None:
    outcome = memory.entry(tiny)
    assert all(outcome.others.values())
    assert outcome.ratios[0] < 0.5


def test_an_allocator_is_measured_beside_itself() -> None:
    with ExitStack() as stack:
        one = allocators.Candidate("valkey-libc", TINY, stack)
        one.measure()
        row = one.row(one)
    assert row.startswith("| valkey-libc | ")
    assert row.count("(1.00)") == 3


def test_a_missing_delivery_is_noticed(tiny: Context) -> None:
    built = tiny.fixture
    post = built.deliver(built.large)
    delivery.check_heads(built, built.large, post)
    follower = int(built.store.command("LINDEX", built.store.keys.followers(0, built.large), 0))
    built.client.lpop(built.store.keys.timeline(follower))
    with pytest.raises(AssertionError, match="299 of 300"):
        delivery.check_heads(built, built.large, post)


def test_a_wrong_page_is_noticed(tiny: Context) -> None:
    reader = tiny.fixture.page_readers[0]
    with pytest.raises(AssertionError):
        reading._same(tiny.fixture, reader, "write", [b'{"author_id":1,"text":"x"}'] * 20)
