import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scripts.checkout import PROJECT, Checkout
from tests.skips import missing

DOCKER_REQUIRED = os.environ.get("FANOUT_TEST_DOCKER") == "required"
HIDDEN = {"docker", "docker-compose", "curl", "xdg-open", "open", "wslview"}


@pytest.fixture(scope="session")
def plain_tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all programs of this machine but Docker, curl and browsers."""
    folder = tmp_path_factory.mktemp("tools")
    for place in os.environ["PATH"].split(os.pathsep):
        if not Path(place).is_dir():
            continue
        for program in Path(place).iterdir():
            if program.name not in HIDDEN and not (folder / program.name).is_symlink():
                (folder / program.name).symlink_to(program)
    return folder


@pytest.fixture(scope="session")
def compose_v1(docker_engine: None) -> None:
    """Skips without docker-compose, and fails where the Docker tests are required."""
    if not shutil.which("docker-compose"):
        missing("Compose v1", "apt-get install docker-compose", required=DOCKER_REQUIRED)


class Stubbed(Checkout):
    """A checkout whose docker and curl are stubs."""

    def calls(self) -> list[str]:
        """What the stubs were asked for, oldest first."""
        log = Path(self.env["STUB_DIR"]) / "calls"
        return log.read_text().splitlines() if log.exists() else []

    def called(self, words: str) -> int:
        """How often a call began with these words."""
        return sum(call.startswith(words) for call in self.calls())

    def give(self, name: str, text: str | None = None) -> None:
        """Puts a program on the PATH: the stub, or a script of this text."""
        target = self.folder.parent / "bin" / name
        if text is None:
            shutil.copy2(PROJECT / "tests/scripts/stubs/docker", target)
        else:
            target.write_text(text)
            target.chmod(0o755)


@pytest.fixture
def stubbed(tmp_path: Path, plain_tools: Path) -> Stubbed:
    """Docker with Compose v2 that works, as a stub."""
    checkout = Stubbed.make(tmp_path / "fanout")
    assert isinstance(checkout, Stubbed)
    (tmp_path / "bin").mkdir()
    (tmp_path / "stub").mkdir()
    checkout.env["PATH"] = f"{tmp_path / 'bin'}{os.pathsep}{plain_tools}"
    checkout.env["STUB_DIR"] = str(tmp_path / "stub")
    checkout.env["STUB_FOLDER"] = str(checkout.folder)
    checkout.give("docker")
    checkout.give("curl")
    return checkout


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Checkout]:
    """A checkout for real processes; whatever the test leaves running is stopped."""
    made = Checkout.make(tmp_path / "fanout")
    yield made
    made.run("stop.sh")


@pytest.fixture(scope="session")
def docker_engine() -> None:
    """Skips without a Docker engine, and fails where the Docker tests are required."""
    try:
        answer = subprocess.run(
            ["docker", "info"], capture_output=True, text=True, timeout=20, check=False
        )
        problem = "" if answer.returncode == 0 else answer.stderr.strip()
    except (FileNotFoundError, subprocess.TimeoutExpired) as error:
        problem = str(error)
    if problem:
        print(problem)
        remedy = "install and start it with Compose, https://docs.docker.com/engine/install/"
        missing("Docker", remedy, required=DOCKER_REQUIRED)
