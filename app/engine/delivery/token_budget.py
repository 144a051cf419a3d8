"""How much may be delivered under a rate limit: a token bucket."""

import time
from collections.abc import Callable

BURST_SECONDS = 0.2
"""What is not spent is saved up for so long: longer than most iterations of a worker, so that a
slow one does not lower the rate, and too short for anybody to see a burst."""


class TokenBudget:
    """One worker's share of a limit that several keep together. A token is a delivery. Spending
    more than there is makes a debt, which the next tokens pay: a piece of work that cannot be
    divided goes through, and the average holds. It begins paused. Not shared between threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._rate: float | None = 0
        self._sharers = 1
        self._tokens = 0.0
        self._filled_at = clock()

    def limit(self, rate: float | None, sharers: int = 1) -> None:
        """Sets the limit in deliveries a second over all `sharers`; None: full speed, 0: a pause.
        A new rate begins without savings or debts; other `sharers` change the speed alone."""
        self._fill()
        if rate != self._rate:
            self._tokens = 0.0
        self._rate, self._sharers = rate, sharers

    def available(self) -> int | None:
        """Deliveries that may be made now; None: as many as there are."""
        if self._rate is None:
            return None
        self._fill()
        return max(0, int(self._tokens))

    def spend(self, deliveries: int) -> None:
        """Pays for deliveries that were made."""
        self._tokens -= deliveries

    def _fill(self) -> None:
        now = self._clock()
        share = (self._rate or 0.0) / self._sharers
        most = max(1.0, share * BURST_SECONDS)
        self._tokens = min(most, self._tokens + share * (now - self._filled_at))
        self._filled_at = now
