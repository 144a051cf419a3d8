"""The engine's folder, copied into an empty project, does what the README says."""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bench import servers

ROOT = Path(__file__).parent.parent
CHAPTER = "## Use the engine in your own application"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The folder and the program of the README, and a Python that has only what they need."""
    shutil.copytree(ROOT / "app" / "engine", tmp_path / "engine")
    text = (ROOT / "README.md").read_text().split(CHAPTER)[1]
    (tmp_path / "feed.py").write_text(text.split("```python\n")[1].split("```")[0])
    pins = re.findall(r"^[a-z]\S+==[^ ;]+", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    (tmp_path / "pins.txt").write_text("\n".join(pins))
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    pip: list[str | Path] = [
        tmp_path / "venv" / "bin" / "pip",
        "install",
        "--quiet",
        "-c",
        tmp_path / "pins.txt",
    ]
    subprocess.run([*pip, "-r", tmp_path / "engine" / "requirements.txt"], check=True)
    return tmp_path


@pytest.mark.slow
def test_the_program_of_the_readme_runs_on_the_copied_engine(project: Path) -> None:
    with servers.server() as port:
        program: list[str | Path] = [project / "venv" / "bin" / "python", "-W", "error", "feed.py"]
        env = {**os.environ, "REDIS_URL": f"redis://127.0.0.1:{port}/0"}
        worker = subprocess.Popen([*program, "worker"], cwd=project, env=env)
        try:
            for _ in range(2):  # the key makes a repetition harmless
                run = subprocess.run(
                    program, cwd=project, env=env, capture_output=True, text=True, timeout=30
                )
                assert (run.returncode, run.stderr) == (0, "")
                assert re.fullmatch(r"\S+Z  user 1: Hello, Bob\.\n", run.stdout), run.stdout
        finally:
            worker.send_signal(signal.SIGTERM)
            assert worker.wait(10) == 0


def test_the_program_is_thirty_lines_or_a_few_more() -> None:
    text = (ROOT / "README.md").read_text().split(CHAPTER)[1]
    assert len(text.split("```python\n")[1].split("```")[0].splitlines()) <= 34
