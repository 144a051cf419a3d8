"""The files that describe how it is run agree with the code."""

import re
from pathlib import Path

import pytest

from app.settings import Settings, variables
from tests.scripts.checkout import PROJECT

COMPOSE = (PROJECT / "docker-compose.yml").read_text()
README = (PROJECT / "README.md").read_text()


def test_compose_passes_every_setting_on() -> None:
    named = set(re.findall(r"^  (FANOUT_[A-Z_]+):", COMPOSE, re.MULTILINE))
    wanted = {
        name
        for field in Settings.model_fields.items()
        for name in variables(*field)
        if name.startswith("FANOUT_")
    }
    assert wanted <= named
    assert named - wanted <= {"FANOUT_ACCESS_LOG"}


def test_the_readme_names_every_script_and_option() -> None:
    for script in ("start.sh", "stop.sh", "restart.sh", "status.sh"):
        assert f"./{script}" in README
        options = re.findall(r"^\s+(--[a-z-]+)\)", (PROJECT / script).read_text(), re.MULTILINE)
        for option in set(options) - {"--docker"}:
            assert option in README, f"{script} {option}"


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_every_package_is_pinned_with_hashes_and_no_place_is_named(name: str) -> None:
    text = (PROJECT / name).read_text()
    assert not re.search(r"://|^-|--index|--find", text, re.MULTILINE)
    entries = re.split(r"\n(?=[a-z0-9])", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE))
    for entry in filter(str.strip, entries):
        assert re.match(r"[a-z0-9._-]+(\[[a-z,]+\])?==\S+ ", entry), entry[:80]
        assert "--hash=sha256:" in entry, entry[:80]


def test_development_has_the_same_versions() -> None:
    def pins(name: str) -> set[str]:
        return set(re.findall(r"^[a-z0-9]\S*==\S+", (PROJECT / name).read_text(), re.MULTILINE))

    assert pins("requirements.txt") <= pins("requirements-dev.txt")


@pytest.mark.parametrize("script", sorted(PROJECT.glob("*.sh")), ids=lambda path: path.name)
def test_scripts_can_be_run(script: Path) -> None:
    assert script.stat().st_mode & 0o111
    assert "set -Eeuo pipefail" in script.read_text()


@pytest.mark.parametrize("name", ["README.md", "docs/contributing.md"])
def test_every_path_that_is_named_exists(name: str) -> None:
    text = (PROJECT / name).read_text()
    prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    tops = "|".join(path.name for path in PROJECT.iterdir() if path.name not in (".run", ".venv"))
    named = re.findall(rf"`((?:{tops})(?:/[\w./-]*)?)`", prose)
    assert {path for path in named if not (PROJECT / path).exists()} == set()
    links = re.findall(r"\]\((?!https?:)([^)#]+)", prose)
    folder = (PROJECT / name).parent
    assert {link for link in links if not (folder / link).exists()} == set()


def test_decisions_have_numbers_without_gaps_and_three_parts() -> None:
    files = sorted((PROJECT / "docs/decisions").glob("*.md"))
    assert [int(file.name[:3]) for file in files] == list(range(1, len(files) + 1))
    for file in files:
        text = file.read_text()
        assert text.startswith(f"# {file.name[:3]}: "), file.name
        parts = re.findall(r"^\*\*(Context|Decision|Consequence)\.\*\*", text, re.MULTILINE)
        assert parts == ["Context", "Decision", "Consequence"], file.name
