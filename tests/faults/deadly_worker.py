"""`flask worker`, but opening a job of author 1 kills the process, as a fault in C would."""

import os
import signal
import sys
from typing import Any

from flask.cli import main

from app.engine.delivery.open_jobs import OpenJobs
from app.engine.store.job_records import Job

DEADLY = 1
_open = OpenJobs.open


def _open_or_be_killed(jobs: OpenJobs, job: Job, *args: Any, **options: Any) -> None:
    if job.author_id == DEADLY:
        os.kill(os.getpid(), signal.SIGKILL)
    _open(jobs, job, *args, **options)


if __name__ == "__main__":
    OpenJobs.open = _open_or_be_killed  # type: ignore[method-assign, assignment]
    sys.argv[1:1] = ["--app", "app.main"]
    main()
