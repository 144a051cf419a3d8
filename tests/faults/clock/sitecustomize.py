"""Python runs this at its start when the folder is on PYTHONPATH: it shifts the wall clock by the
seconds that a file holds. faketime's library cannot do it for Python: its clock_nanosleep fails
there, so even time.sleep would."""

import os
import time
from pathlib import Path

_FILE = os.environ.get("FAULTS_CLOCK", "")
_LOOK_SECONDS = 0.05
_real_time = time.time
_state = {"offset": 0.0, "next_look": 0.0}


def _shifted() -> float:
    now = time.monotonic()
    if now >= _state["next_look"]:
        _state["next_look"] = now + _LOOK_SECONDS
        _state["offset"] = float(Path(_FILE).read_text() or 0)
    return _real_time() + _state["offset"]


if _FILE:
    time.time = _shifted
    time.time_ns = lambda: int(_shifted() * 1e9)
