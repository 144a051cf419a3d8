"""The API keeps its description whatever it is sent: schemathesis tries it on real processes."""

import http.client
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import orjson

from bench.processes import ROOT
from tests.faults.harness import LONG, Rig

CASES = 10_000 if LONG else 300
EXAMPLES = 800 if LONG else 5
"""Generated cases for each operation; sequences of calls come on top."""


def test_no_answer_contradicts_the_description(
    start: Callable[..., Rig], tell: Callable[[str], None]
) -> None:
    rig = start()
    rig.services.loading.load_preset("small", seed=1)
    (worker,) = rig.start_workers(1)
    rig.start_web()
    rig.kill_worker(worker)  # or it would load the largest dataset when asked to
    command = [
        *(sys.executable, "-m", "schemathesis.cli"),
        *("--config-file", str(Path(__file__).with_name("schemathesis.toml"))),
        *("run", f"http://127.0.0.1:{rig.web_port}/api/openapi.json", "--checks", "all"),
        *("--max-examples", str(EXAMPLES), "--continue-on-failure", "--no-color"),
    ]
    hooks = {"SCHEMATHESIS_HOOKS": "tests.faults.schemathesis_hooks", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command,
        cwd=rig.folder,
        env={**os.environ, **hooks},
        capture_output=True,
        text=True,
        check=False,
        timeout=1700,
    )
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr
    found = re.search(r"(\d[\d,]*) generated", done.stdout)
    assert found, done.stdout[-2_000:]
    cases = int(found[1].replace(",", ""))
    tell(f"{cases:,} cases, all answers as described")
    assert cases >= CASES


def test_what_gunicorn_refuses_itself_is_a_problem_too(start: Callable[..., Rig]) -> None:
    rig = start()
    rig.start_workers(1)
    rig.start_web()
    for path, headers, status in (
        ("/api/metrics?" + "x" * 5_000, {}, 414),
        ("/api/metrics", {"X-Large": "x" * 9_000}, 431),
        ("/api/metrics", {"Bad Name": "x"}, 400),
        ("/api/metrics", {"Expect": "miracles"}, 417),
    ):
        connection = http.client.HTTPConnection("127.0.0.1", rig.web_port, timeout=10)
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        problem = orjson.loads(answer.read())
        connection.close()
        assert (answer.status, problem["status"]) == (status, status)
        assert answer.getheader("Content-Type") == "application/problem+json"
        assert set(problem) == {"type", "title", "status", "detail"}
        assert problem["detail"]
