"""The real thing with Docker: built, started, posted to, scaled, hurt and cleaned up by scripts."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.processes import wait_until
from tests.scripts.checkout import Checkout

pytestmark = [
    pytest.mark.docker,
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.usefixtures("docker_engine"),
]

BASE_IMAGES = ["python:3.13-slim-bookworm", "redis:7.4-bookworm"]
KILL_ALL = ["python3", "-c", "import os; os.kill(-1, 9)"]
SHUT_DOWN = ["redis-cli", "shutdown", "nosave", "now", "force"]


def docker(*arguments: str, check: bool = True) -> str:
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    assert not check or done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def dockered(tmp_path: Path) -> Iterator[Checkout]:
    """A checkout with a Compose project of its own; nothing of it is left afterwards."""
    checkout = Checkout.make(tmp_path / "fanout")
    checkout.env["COMPOSE_PROJECT_NAME"] = f"fanout-test-{os.getpid()}"
    # "--images" removes the base images' names too: keep them under others, for the next test.
    for image in BASE_IMAGES:
        if docker("images", "-q", image):
            docker("tag", image, f"kept-{image}")
    yield checkout
    checkout.run("stop.sh", "--volumes", "--images", "--yes")
    for image in BASE_IMAGES:
        if docker("images", "-q", f"kept-{image}"):
            docker("tag", f"kept-{image}", image)
            docker("rmi", f"kept-{image}")


def containers(checkout: Checkout, *filters: str) -> list[str]:
    wanted = [f"label=com.docker.compose.project={checkout.env['COMPOSE_PROJECT_NAME']}", *filters]
    options = [word for each in wanted for word in ("--filter", each)]
    return docker("ps", "--all", *options, "--format", "{{.Names}}").split()


def service(checkout: Checkout, name: str) -> list[str]:
    return containers(checkout, f"label=com.docker.compose.service={name}")


def inspect(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(docker("inspect", name))[0]
    return found


def address_of(name: str) -> str:
    (network,) = inspect(name)["NetworkSettings"]["Networks"].values()
    return str(network["IPAddress"])


def restarts(name: str) -> int:
    return int(inspect(name)["RestartCount"])


def post(checkout: Checkout, author: int, text: str) -> int:
    code, answer = checkout.call("POST", "/api/posts", {"author_id": author, "text": text})
    assert code == 202, answer
    return int(answer["post"]["id"])


def start(checkout: Checkout, *options: str, **env: str) -> str:
    done = checkout.run("start.sh", *options, **env)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_from_start_to_clean_up(dockered: Checkout) -> None:
    assert "Using Docker with Compose" in start(dockered)
    code, page = dockered.call("GET", "/")
    assert (code, "Fanout" in page) == (200, True)
    first = post(dockered, 1, "Good morning from a container")
    dockered.fanned_out(first)
    assert dockered.everywhere_equal(2)

    compose = ["docker", "compose", "exec", "-T", "redis", "redis-cli", "ping"]
    answer = subprocess.run(
        compose, cwd=dockered.folder, env=dockered.env, capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "PONG"

    # Three workers, one of which dies in the middle of it.
    start(dockered, "--workers", "3")
    wait_until(lambda: workers(dockered) == 3, 15, "three workers in the metrics")
    victim = service(dockered, "worker")[0]
    second = post(dockered, 1, "Good afternoon")
    docker("exec", victim, *KILL_ALL, check=False)
    dockered.fanned_out(second)
    wait_until(lambda: restarts(victim) == 1, 15, "the killed worker was started again")

    # The web dies, then the server: both come back, and nothing is missing.
    for name in ("web", "redis"):
        victim = service(dockered, name)[0]
        docker("exec", victim, *(KILL_ALL if name == "web" else SHUT_DOWN), check=False)
        wait_until(lambda victim=victim: restarts(victim) == 1, 15, f"{name} was started again")  # type: ignore[misc]
        wait_until(lambda: dockered.answers("/readyz"), 30, f"ready after {name} was killed")
    assert dockered.call("GET", f"/api/posts/{second}")[0] == 200

    status = dockered.run("status.sh")
    assert status.returncode == 0, status.stdout + status.stderr
    for word in ("healthy", "docker, plain layout", "small, ready", "worker-3"):
        assert word in status.stdout
    assert dockered.status()["metrics"]["workers"]["count"] == 3

    # Restart keeps the data and the three workers, stop ends all, --all removes all.
    again = dockered.run("restart.sh")
    assert again.returncode == 0, again.stdout + again.stderr
    assert len(service(dockered, "worker")) == 3
    assert dockered.call("GET", f"/api/posts/{first}")[1]["text"].startswith("Good morning")
    assert dockered.run("stop.sh").returncode == 0
    assert containers(dockered) == []
    assert dockered.run("status.sh").returncode == 3
    assert len(volumes(dockered)) == 1
    (dockered.folder / ".venv").unlink()  # shared with this test run, and --all would remove it
    assert dockered.run("stop.sh", "--all", "--yes").returncode == 0
    assert volumes(dockered) == []
    assert docker("images", "-q", f"{dockered.env['COMPOSE_PROJECT_NAME']}-app") == ""
    assert not (dockered.folder / ".run").exists()


def workers(checkout: Checkout) -> int:
    return int(checkout.call("GET", "/api/metrics")[1]["workers"]["count"])


def volumes(checkout: Checkout) -> list[str]:
    wanted = f"label=com.docker.compose.project={checkout.env['COMPOSE_PROJECT_NAME']}"
    return docker("volume", "ls", "-q", "--filter", wanted).split()


def test_the_image_is_small_and_the_containers_are_locked_down(dockered: Checkout) -> None:
    start(dockered)
    web, worker, redis = (service(dockered, name)[0] for name in ("web", "worker", "redis"))
    image, base = (
        int(docker("image", "inspect", "-f", "{{.Size}}", name))
        for name in (inspect(web)["Image"], BASE_IMAGES[0])
    )
    added = (image - base) / 1e6
    print(f"the image adds {added:.0f} MB to its base")
    assert added < 120
    for name in (web, worker, redis):
        host = inspect(name)["HostConfig"]
        assert host["ReadonlyRootfs"]
        assert host["CapDrop"] == ["ALL"]
        assert host["SecurityOpt"] == ["no-new-privileges:true"]
        assert host["Memory"] > 0
        assert host["PidsLimit"] > 0
        assert host["RestartPolicy"]["Name"] == "unless-stopped"
        assert docker("exec", name, "id", "-u") != "0"
    for published in inspect(redis)["NetworkSettings"]["Ports"].values():
        assert {place["HostIp"] for place in published} == {"127.0.0.1"}
    for tool in ("pip", "gcc", "cc", "make"):
        assert (
            docker("exec", web, "sh", "-c", f"ls /opt/venv/bin/{tool} 2>/dev/null", check=False)
            == ""
        )
    assert docker("exec", web, "sh", "-c", "touch /srv/fanout/x || echo refused").endswith(
        "refused"
    )
    wait_until(
        lambda: inspect(web)["State"]["Health"]["Status"] == "healthy", 30, "the web's health check"
    )


@pytest.mark.usefixtures("compose_v1")
def test_compose_v1(dockered: Checkout, tmp_path: Path) -> None:
    (tmp_path / "no-plugins").mkdir()
    dockered.env["DOCKER_CONFIG"] = str(tmp_path / "no-plugins")  # hides the plugin of version 2
    assert "(docker-compose)" in start(dockered, "--workers", "2")
    number = post(dockered, 1, "An older Compose")
    dockered.fanned_out(number)
    assert len(service(dockered, "worker")) == 2
    assert dockered.run("status.sh").returncode == 0
    assert dockered.run("stop.sh").returncode == 0
    assert containers(dockered) == []


def test_the_cluster_survives_the_loss_of_a_primary(dockered: Checkout) -> None:
    start(dockered, "--cluster")
    assert dockered.call("GET", "/api/metrics")[1]["store"]["mode"] == "cluster"
    nodes = docker("exec", service(dockered, "redis")[0], "redis-cli", "cluster", "nodes")
    assert (nodes.count("master"), nodes.count("slave")) == (3, 3)
    for author in range(1, 9):  # eight neighbours live on eight shards
        dockered.fanned_out(post(dockered, author, f"Hello from {author}"))

    docker("kill", service(dockered, "redis-2")[0])  # one by hand stays dead
    missing = set(range(1, 9))

    def all_serve() -> bool:
        for author in sorted(missing):
            body = {"author_id": author, "text": "And again"}
            try:
                code = dockered.call("POST", "/api/posts", body)[0]
            except OSError:
                return False
            if code != 202:
                return False
            missing.discard(author)
        return True

    took = wait_until(all_serve, 10, "every shard takes posts again")
    print(f"every shard took posts again {took:.1f} s after a primary was killed")
    for reader in range(1, 9):
        wait_until(
            lambda reader=reader: dockered.everywhere_equal(reader),  # type: ignore[misc]
            20,
            f"equal feeds for user {reader}",
        )
    docker("start", service(dockered, "redis-2")[0])
    back = ["exec", service(dockered, "redis")[0], "redis-cli", "cluster", "nodes"]
    wait_until(lambda: "fail" not in docker(*back), 20, "the killed server is a replica now")

    # The containers are made anew, often in another network: the servers find each other again, and
    # none holds on to an address of before.
    assert dockered.run("restart.sh").returncode == 0
    servers = [name for name in containers(dockered) if "-redis-" in name]
    present = {address_of(name) for name in servers}
    assert len(present) == 6
    for name in servers:
        rows = docker("exec", name, "redis-cli", "cluster", "nodes").splitlines()
        assert {row.split()[1].split(":")[0] for row in rows} == present, name
        replication = docker("exec", name, "redis-cli", "info", "replication")
        for line in replication.split():
            if line.startswith("master_host:"):
                assert line.removeprefix("master_host:") in present, name
    assert dockered.everywhere_equal(1)
    assert dockered.run("stop.sh").returncode == 0
