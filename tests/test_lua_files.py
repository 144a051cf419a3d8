"""Each Lua file names the files that it builds on."""

import re
from pathlib import Path

import pytest

from app.datasets import LUA
from app.engine.store import library

FILES = [path for folder in (library.ENGINE_LUA, LUA) for path in sorted(folder.glob("*.lua"))]
COMMENT_OR_TEXT = re.compile(r"--.*|'[^'\n]*'")
DEFINITION = re.compile(r"^local (?:function )?(\w+(?:, \w+)*)", re.MULTILINE)
NAME = re.compile(r"(?<![.\w])[A-Za-z_]\w*")


def code(path: Path) -> str:
    return COMMENT_OR_TEXT.sub("", path.read_text())


def defined(path: Path) -> set[str]:
    return {name for names in DEFINITION.findall(code(path)) for name in names.split(", ")}


DEFINED = {path.name: defined(path) for path in FILES}


def test_no_helper_is_defined_twice() -> None:
    names = [name for names in DEFINED.values() for name in names]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_file_names_just_the_files_whose_helpers_it_uses(path: Path) -> None:
    summary, builds_on, *_ = path.read_text().splitlines()
    assert summary.startswith("-- ")
    assert builds_on.startswith("-- Builds on: ")
    named = re.findall(r"\w+\.lua", builds_on)
    used = set(NAME.findall(code(path))) - DEFINED[path.name]
    assert named == [name for name, helpers in DEFINED.items() if helpers & used]
    assert all(name < path.name for name in named), "it is loaded after them"
