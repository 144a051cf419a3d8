"""`flask worker`, but opening a job of author 1 kills the process, as a fault in C would."""

import os
import signal
import sys

from flask.cli import main

from app.engine.delivery.deliverer import Deliverer
from app.engine.delivery.open_job import OpenJob
from app.engine.store.job_records import Cursor, Job

DEADLY = 1
_opened = Deliverer._opened


def _opened_or_killed(worker: Deliverer, job: Job, cursors: dict[int, Cursor]) -> OpenJob:
    if job.author_id == DEADLY:
        os.kill(os.getpid(), signal.SIGKILL)
    return _opened(worker, job, cursors)


if __name__ == "__main__":
    Deliverer._opened = _opened_or_killed  # type: ignore[method-assign, assignment]
    sys.argv[1:1] = ["--app", "app.main"]
    main()
