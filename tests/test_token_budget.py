"""What a rate limit lets a worker deliver, by a clock of the tests' own."""

from collections.abc import Callable

from app.engine.delivery.token_budget import BURST_SECONDS, TokenBudget


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def a_budget(rate: float | None, sharers: int = 1) -> tuple[TokenBudget, Clock]:
    clock = Clock()
    budget = TokenBudget(clock)
    budget.limit(rate, sharers)
    return budget, clock


def made_in(
    seconds: float, budget: TokenBudget, clock: Clock, cost: Callable[[int], int] = int
) -> int:
    """Deliveries made in so long, with a look every 10 ms; `cost` says what is spent of what is
    available."""
    made = 0
    for _ in range(round(seconds * 100)):
        clock.now += 0.01
        allowed = budget.available()
        assert allowed is not None
        if allowed:
            spent = cost(allowed)
            budget.spend(spent)
            made += spent
    return made


def test_without_a_limit_nothing_is_counted() -> None:
    budget, clock = a_budget(None)
    budget.spend(1_000_000)
    assert budget.available() is None
    clock.now += 1
    assert budget.available() is None


def test_a_limit_lets_as_much_through_as_it_says() -> None:
    assert 9_980 <= made_in(10, *a_budget(1_000)) <= 10_000
    assert made_in(10, *a_budget(1)) in (9, 10)


def test_after_full_speed_a_limit_holds_at_once() -> None:
    budget, clock = a_budget(None)
    for _ in range(20):
        budget.limit(None)
        budget.spend(380_000)
        budget.limit(1_000)
        assert 980 <= made_in(1, budget, clock) <= 1_000


def test_a_pause_saves_up_nothing() -> None:
    budget, clock = a_budget(0)
    clock.now += 60
    assert budget.available() == 0
    budget.spend(500)  # a chunk that was under way
    budget.limit(1_000)
    assert budget.available() == 0
    assert 980 <= made_in(1, budget, clock) <= 1_000


def test_a_changed_limit_takes_neither_debt_nor_savings_along() -> None:
    budget, clock = a_budget(10_000)
    clock.now += 60
    budget.limit(100)
    assert budget.available() == 0
    assert 99 <= made_in(1, budget, clock) <= 100
    budget.spend(5_000)
    budget.limit(200)
    assert 198 <= made_in(1, budget, clock) <= 200


def test_a_limit_that_is_set_again_changes_nothing() -> None:
    budget, clock = a_budget(100)
    budget.spend(100)
    for _ in range(100):
        clock.now += 0.01
        budget.limit(100)
    assert budget.available() in (0, 1)
    clock.now += 0.1
    assert budget.available() in (9, 10)


def test_idleness_saves_up_one_burst_at_most() -> None:
    budget, clock = a_budget(1_000)
    clock.now += 60
    assert budget.available() == 1_000 * BURST_SECONDS
    budget, clock = a_budget(1)
    clock.now += 60
    assert budget.available() == 1, "or a slow limit would never let anything through"


def test_a_piece_larger_than_the_budget_goes_through_and_the_average_holds() -> None:
    """A release delivers 21 posts to a follower, or nothing."""
    budget, clock = a_budget(10)
    assert 100 <= made_in(10, budget, clock, lambda allowed: 21) <= 100 + 21
    budget, clock = a_budget(1_000)
    assert 9_980 <= made_in(10, budget, clock, lambda allowed: 21) <= 10_000 + 21


def test_sharers_make_together_what_the_limit_says() -> None:
    clock = Clock()
    budgets = [TokenBudget(clock) for _ in range(3)]
    for budget in budgets:
        budget.limit(900, sharers=3)
    made = 0
    for _ in range(1_000):
        clock.now += 0.01
        for budget in budgets:
            allowed = budget.available() or 0
            budget.spend(allowed)
            made += allowed
    assert 8_950 <= made <= 9_000


def test_a_changed_number_of_sharers_forgives_no_debt() -> None:
    budget, clock = a_budget(10, sharers=1)
    made = 0
    for run_iteration in range(1_000):
        budget.limit(10, sharers=1 + run_iteration % 2)
        made += made_in(0.01, budget, clock, lambda allowed: 200)
    assert made <= 10 * 10 + 200
