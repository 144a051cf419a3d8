"""What one load of a dataset tells. No numpy here: web processes import this too."""

from collections.abc import Callable
from dataclasses import dataclass

from app.engine.errors import FanoutError

Progress = Callable[[str, float], None]
"""Called with what is being done and the share of the whole that is done (0..1). May raise to
stop the load."""
Report = Callable[[float, float], None]
"""Called with (done, total)."""


def unreported(*_: object) -> None:
    """The `Progress` or `Report` to nobody."""


class Busy(FanoutError):
    """Another dataset is being loaded."""


class LoadStopped(Exception):
    """Raise it in a progress callback to stop a load; another worker will begin it again."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What was loaded, and the seconds each stage took."""

    users: int
    edges: int
    posts: int
    removed_keys: int
    seconds: dict[str, float]
