"""The scripts against stubs of docker, docker-compose and curl: every way it can begin and fail."""

import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.scripts.conftest import Stubbed

SCRIPTS = ["start.sh", "stop.sh", "restart.sh", "status.sh", "test.sh"]


@contextmanager
def listening() -> Iterator[str]:
    """A port that this test's process listens on."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield str(server.getsockname()[1])


def test_compose_v2_is_used_when_it_is_there(stubbed: Stubbed) -> None:
    stubbed.give("docker-compose")
    done = stubbed.run("start.sh")
    assert done.returncode == 0, done.stderr
    assert "Using Docker with Compose (docker compose)" in done.stdout
    assert f"http://localhost:{stubbed.env['PORT']}" in done.stdout
    assert stubbed.called("docker compose build") == 1
    assert stubbed.called("docker compose up -d") == 1
    assert stubbed.called("docker-compose") == 0


def test_compose_v1_is_used_when_v2_is_missing(stubbed: Stubbed) -> None:
    stubbed.give("docker-compose")
    done = stubbed.run("start.sh", STUB_COMPOSE="v1")
    assert done.returncode == 0, done.stderr
    assert "Using Docker with Compose (docker-compose)" in done.stdout
    assert stubbed.called("docker-compose up -d") == 1


@pytest.mark.parametrize(
    ("break_it", "reason", "advice"),
    [
        ({"STUB_COMPOSE": "none"}, "Docker answers, but neither", "docker-compose-plugin"),
        ({"STUB_DAEMON": "down"}, "its engine does not answer", "systemctl start docker"),
        ({}, "Docker is not installed", "docs.docker.com"),
    ],
    ids=["no-compose", "daemon-down", "no-docker"],
)
class TestWithoutUsableDocker:
    """The next rung is taken and the reason said; --docker fails with the next step."""

    @pytest.fixture(autouse=True)
    def _remove(self, stubbed: Stubbed, break_it: dict[str, str]) -> None:
        stubbed.env |= break_it
        if not break_it:
            (stubbed.folder.parent / "bin/docker").unlink()

    def test_the_next_rung_is_taken(self, stubbed: Stubbed, reason: str, advice: str) -> None:
        with listening() as port:  # so that it ends right after the choice
            done = stubbed.run("start.sh", PORT=port)
        assert "Using the embedded Valkey server: " in done.stdout
        assert reason in done.stdout
        assert done.returncode == 1

    def test_docker_can_be_insisted_on(self, stubbed: Stubbed, reason: str, advice: str) -> None:
        done = stubbed.run("start.sh", "--docker")
        assert done.returncode == 1
        assert reason in done.stderr
        assert advice in done.stderr
        assert "try: ./start.sh --no-docker" in done.stderr
        assert done.stdout == ""


@pytest.mark.parametrize("options", [[], ["--no-docker"]], ids=["docker", "no-docker"])
@pytest.mark.parametrize("name", ["PORT", "REDIS_PORT"])
def test_a_busy_port_is_named_with_its_owner(
    stubbed: Stubbed, name: str, options: list[str]
) -> None:
    with listening() as port:
        done = stubbed.run("start.sh", *options, **{name: port})
    assert done.returncode == 1
    assert f"port {port}" in done.stderr
    assert "(process " in done.stderr
    suggestion = next(line for line in done.stderr.splitlines() if f"try: {name}=" in line)
    assert int(suggestion.split(f"{name}=")[1].split()[0]) > int(port)
    assert stubbed.called("docker compose up") == 0


def test_start_twice_says_so_and_changes_nothing(stubbed: Stubbed) -> None:
    assert stubbed.run("start.sh").returncode == 0
    again = stubbed.run("start.sh")
    assert again.returncode == 0
    assert f"Already running and healthy: http://localhost:{stubbed.env['PORT']}" in again.stdout
    assert stubbed.called("docker compose up") == 1


def test_more_workers_are_added_to_what_runs(stubbed: Stubbed) -> None:
    assert stubbed.run("start.sh").returncode == 0
    assert stubbed.run("start.sh", "--workers", "3").returncode == 0
    assert any("up -d" in call and "worker=3" in call for call in stubbed.calls())


def test_a_second_stop_changes_nothing(stubbed: Stubbed) -> None:
    stubbed.run("start.sh")
    first, second = stubbed.run("stop.sh"), stubbed.run("stop.sh")
    assert (first.returncode, second.returncode) == (0, 0)
    assert "Stopped." in first.stdout
    assert "Nothing was running." in second.stdout
    assert stubbed.called("docker compose down") == 1
    assert not any("--volumes" in call for call in stubbed.calls())


def test_ctrl_c_during_the_wait_stops_what_was_started(stubbed: Stubbed) -> None:
    running = stubbed.begin("start.sh", STUB_HEALTH="never")
    up = Path(stubbed.env["STUB_DIR"]) / "up"
    for _ in range(200):
        if up.exists():
            break
        time.sleep(0.05)
    time.sleep(0.5)
    running.send_signal(signal.SIGINT)
    _, errors = running.communicate(timeout=30)
    assert running.returncode == 130
    assert "interrupted" in errors
    assert stubbed.called("docker compose down") == 1
    assert stubbed.run("status.sh").returncode == 3
    assert stubbed.run("start.sh").returncode == 0, "the lock was not given back"


def test_a_time_out_shows_the_last_log_lines(stubbed: Stubbed) -> None:
    done = stubbed.run("start.sh", "--timeout", "1", STUB_HEALTH="never")
    assert done.returncode == 1
    assert "not healthy after 1 seconds" in done.stderr
    assert "a log line of web" in done.stderr
    assert "try: ./status.sh" in done.stderr
    assert any("logs --no-color --tail 30" in call for call in stubbed.calls())


def test_a_failed_build_shows_why(stubbed: Stubbed) -> None:
    done = stubbed.run("start.sh", STUB_BUILD="fails")
    assert done.returncode == 1
    assert "no such base image" in done.stderr
    assert "try: ./start.sh --no-docker" in done.stderr


def test_a_project_of_the_same_name_elsewhere_is_left_alone(stubbed: Stubbed) -> None:
    (Path(stubbed.env["STUB_DIR"]) / "up").touch()
    done = stubbed.run("start.sh", STUB_FOLDER="/somewhere/else", STUB_HEALTH="never")
    assert done.returncode == 1
    assert "/somewhere/else" in done.stderr
    assert "COMPOSE_PROJECT_NAME=" in done.stderr
    for script in ("stop.sh", "status.sh"):
        assert stubbed.run(script, STUB_FOLDER="/somewhere/else").returncode == 1
    assert stubbed.called("docker compose up") == 0
    assert stubbed.called("docker compose down") == 0


def test_deleting_data_needs_a_yes(stubbed: Stubbed) -> None:
    stubbed.run("start.sh")
    refused = stubbed.run("stop.sh", "--volumes")
    assert refused.returncode == 2
    assert "--yes" in refused.stderr
    assert stubbed.called("docker compose down") == 0
    assert stubbed.run("stop.sh", "--volumes", "--yes").returncode == 0
    assert any("down" in call and "--volumes" in call for call in stubbed.calls())
    assert not any("--rmi" in call for call in stubbed.calls())


def test_images_are_removed_when_asked(stubbed: Stubbed) -> None:
    assert stubbed.run("stop.sh", "--images", "--yes").returncode == 0
    assert any("down" in call and "--rmi all" in call for call in stubbed.calls())
    assert not any("--volumes" in call for call in stubbed.calls())


def test_restart_keeps_the_ways_of_the_last_start(stubbed: Stubbed) -> None:
    stubbed.run("start.sh", "--workers", "2")
    del stubbed.env["PORT"]
    done = stubbed.run("restart.sh")
    assert done.returncode == 0, done.stderr
    assert stubbed.called("docker compose down") == 1
    assert sum("worker=2" in call for call in stubbed.calls()) == 2
    assert "localhost:8080" not in done.stdout


def test_the_cluster_layout_is_kept_by_restart(stubbed: Stubbed) -> None:
    assert stubbed.run("start.sh", "--cluster").returncode == 0
    assert "LAYOUT=cluster" in (stubbed.folder / ".run/state").read_text()
    stubbed.run("stop.sh")
    done = stubbed.run("restart.sh")
    assert done.returncode == 0, done.stderr
    assert "LAYOUT=cluster" in (stubbed.folder / ".run/state").read_text()


def test_status_of_nothing_is_stopped(stubbed: Stubbed) -> None:
    done = stubbed.run("status.sh")
    assert done.returncode == 3
    assert "./start.sh" in done.stdout
    assert stubbed.status()["status"] == "stopped"


def test_status_names_the_parts(stubbed: Stubbed) -> None:
    stubbed.run("start.sh")
    done = stubbed.run("status.sh", "--logs", "2")
    assert done.returncode == 0, done.stderr
    for word in ("healthy", "docker, plain layout", "x-web-1", "x-worker-1", "a log line"):
        assert word in done.stdout
    assert "x-redis-1" in [process["name"] for process in stubbed.status()["processes"]]
    assert stubbed.run("status.sh", STUB_HEALTH="never").returncode == 1


@pytest.mark.parametrize("script", SCRIPTS)
def test_help_and_wrong_usage(stubbed: Stubbed, script: str) -> None:
    helped = stubbed.run(script, "--help")
    assert helped.returncode == 0
    assert "usage: ./" in helped.stdout
    assert "\x1b" not in helped.stdout, "colour without a terminal"
    if script != "test.sh":  # which passes what it does not know on to pytest
        wrong = stubbed.run(script, "--nonsense")
        assert wrong.returncode == 2
        assert "--nonsense" in wrong.stderr
        assert "--help" in wrong.stderr


@pytest.mark.parametrize("port", ["0", "65536", "http", "80 80", "-1"])
def test_a_port_that_is_none_is_wrong_usage(stubbed: Stubbed, port: str) -> None:
    done = stubbed.run("start.sh", PORT=port)
    assert done.returncode == 2
    assert "PORT must be a port number" in done.stderr


@pytest.mark.parametrize(
    "options",
    [["--workers"], ["--workers", "none"], ["--workers", "0"], ["--cluster", "--no-docker"]],
)
def test_options_that_make_no_sense(stubbed: Stubbed, options: list[str]) -> None:
    assert stubbed.run("start.sh").returncode == 0
    for script in ("start.sh", "restart.sh"):
        assert stubbed.run(script, *options).returncode == 2
    assert stubbed.called("docker compose down") == 0, "nothing is stopped by a typing error"


def test_own_server_and_docker_do_not_go_together(stubbed: Stubbed) -> None:
    done = stubbed.run("start.sh", "--docker", REDIS_URL="redis://127.0.0.1:1/0")
    assert done.returncode == 2
    assert "REDIS_URL" in done.stderr


def test_settings_are_read_from_a_file(stubbed: Stubbed) -> None:
    port = stubbed.env.pop("PORT")
    (stubbed.folder / ".env").write_text(f'# ours\nPORT="{port}"\nnot a setting\n')
    done = stubbed.run("start.sh")
    assert done.returncode == 0, done.stderr
    assert f"http://localhost:{port}" in done.stdout


def test_the_browser_opens_only_when_asked(stubbed: Stubbed) -> None:
    opened = Path(stubbed.env["STUB_DIR"]) / "opened"
    stubbed.give("xdg-open", f'#!/bin/sh\necho "$1" >"{opened}"\n')
    stubbed.run("start.sh", DISPLAY=":0")
    assert not opened.exists(), "there is no terminal"
    assert stubbed.run("start.sh", "--open").returncode == 0
    assert opened.read_text().strip() == f"http://localhost:{stubbed.env['PORT']}"


def test_an_old_python_is_named(stubbed: Stubbed) -> None:
    (stubbed.folder / ".venv").unlink()
    old = '#!/bin/sh\ncase "$*" in *platform*) echo 3.9.2 ;; *) exit 1 ;; esac\n'
    for name in ("python", "python3", *(f"python3.{minor}" for minor in range(11, 15))):
        stubbed.give(name, old)
    done = stubbed.run("start.sh", "--no-docker")
    assert done.returncode == 1
    assert "Python 3.11 or newer is needed; found: 3.9.2" in done.stderr
    assert "PYTHON=" in done.stderr


def test_curl_is_asked_for(stubbed: Stubbed) -> None:
    (stubbed.folder.parent / "bin/curl").unlink()
    done = stubbed.run("start.sh")
    assert done.returncode == 1
    assert "curl" in done.stderr
    assert "apt-get install curl" in done.stderr


def test_a_lock_left_by_a_dead_start_is_no_obstacle(stubbed: Stubbed) -> None:
    lock = stubbed.folder / ".run/lock"
    lock.mkdir(parents=True)
    (lock / "pid").write_text("999999999")
    assert stubbed.run("start.sh").returncode == 0


def test_two_starts_at_once_do_not_mix(stubbed: Stubbed) -> None:
    first = stubbed.begin("start.sh", "--timeout", "4", STUB_HEALTH="never")
    time.sleep(1)
    second = stubbed.run("start.sh")
    first.communicate(timeout=30)
    assert second.returncode == 1
    assert "under way" in second.stderr
