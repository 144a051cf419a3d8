"""Push or pull, by cost: what the author's posts cost to deliver against what they cost to read.

The rule is that of Silberstein, Terrace, Cooper and Ramakrishnan, "Feeding Frenzy: selectively
materializing users' event feeds" (SIGMOD 2010): for a producer and a consumer, push when the
producer posts rarely compared with how often the consumer reads. Here it is summed over all
followers of an author, since an author is pushed or pulled as a whole, and it knows that a
process which pulls keeps the author's log for a moment.

    push  posts/s * followers * delivery
    pull  reads/s by followers * log_merge  +  fetches/s * log_fetch
"""

from dataclasses import dataclass

HYSTERESIS = 1.5
"""The other mode must be this much cheaper before an author changes: measured costs vary by a
third from minute to minute, and each change costs a release or a slower page."""


@dataclass(frozen=True, slots=True)
class Costs:
    """Measured seconds: of one delivery, of fetching one log, of merging one log at hand."""

    delivery: float
    log_fetch: float
    log_merge: float


@dataclass(frozen=True, slots=True)
class Habits:
    """One author's posts and that author's followers' reads, each per second."""

    followers: int
    posts: float
    reads: float


def push_cost(costs: Costs, habits: Habits) -> float:
    """Seconds of work per second while the author is pushed."""
    return habits.posts * habits.followers * costs.delivery


def pull_cost(costs: Costs, habits: Habits, max_fetches: float) -> float:
    """Seconds of work per second while the author is pulled. Each read fetches the log, but all
    processes together at most `max_fetches` times a second."""
    return habits.reads * costs.log_merge + min(habits.reads, max_fetches) * costs.log_fetch


def prefers_pull(costs: Costs, habits: Habits, max_fetches: float, *, pulled_now: bool) -> bool:
    """Whether pull is the better mode, with hysteresis around the present one."""
    push, pull = push_cost(costs, habits), pull_cost(costs, habits, max_fetches)
    return push * HYSTERESIS > pull if pulled_now else push > pull * HYSTERESIS
