"""Push or pull, by cost: what the author's posts cost to deliver against what they cost to read.

The rule is that of Silberstein, Terrace, Cooper and Ramakrishnan, "Feeding Frenzy: selectively
materializing users' event feeds" (SIGMOD 2010): for a producer and a consumer, push when the
producer posts rarely compared with how often the consumer reads. Here it is summed over all
followers of an author, since an author is pushed or pulled as a whole, and it knows that a
process which pulls keeps the author's log for a moment. The running system measures all costs.
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

    def push(self, followers: int, posts: float) -> float:
        """Seconds of work per second while an author with so many posts per second is pushed."""
        return posts * followers * self.delivery

    def pull(self, reads: float, max_fetches: float) -> float:
        """Seconds of work per second while an author is pulled whose followers read so many pages
        per second. Each fetches the log, but all processes together at most `max_fetches` times."""
        return reads * self.log_merge + min(reads, max_fetches) * self.log_fetch


def prefers_pull(push: float, pull: float, *, pulled_now: bool) -> bool:
    """Whether pull is the better mode by the two costs, with hysteresis around the present one."""
    return push * HYSTERESIS > pull if pulled_now else push > pull * HYSTERESIS
