"""No name or sentence has a word that the glossary replaced (docs/contributing.md)."""

import io
import re
import tokenize
from collections.abc import Callable, Iterator

import pytest

from tests.scripts.checkout import PROJECT

WORDS = """
fan fans account accounts walk walks walked walking left place places newest puller pullers held
hold holds holding blindly blind beat beats silence silent rescue rescued rescuing claim claims
claimed claimer fruitless life lives turn turns pace allowance bell doorbell bury buried letter
letters settle settled gate patient room upkeep mend mended tape taped behind rival rivals reach
world
"""
RETIRED = frozenset(WORDS.split())
IN_SENTENCES = """
fan fans account accounts walk walks walked walking puller pullers holding blindly beat beats
silence silent rescue rescued rescuing claimed claimer fruitless pace allowance bell doorbell bury
buried letter letters settle settled patient upkeep mend mended tape rival rivals followee followees
"""
"""Those that mean nothing else in a sentence: `place`, `left` and `turn` are plain English."""
FIELD = re.compile(r"dead[-_ ]?letters?|fan[-_]?out", re.IGNORECASE)
"""Terms of the field that contain a retired word."""
ALLOWED = {
    ("static/js/chart.js", "left"),  # a side of a drawing
    ("static/js/chart.js", "onLeft"),  # as well
    ("app/web/problems.py", "store-silent"),  # part of the API: the type of a problem
    ("app/engine/settings.py", "FANOUT_HOLD_FOLLOWERS"),  # old names, which go on working
    ("app/engine/settings.py", "FANOUT_PULLERS_CACHE_MS"),
}

ALLOWED_IN_SENTENCES = {
    ("app/datasets/quantiles.py", "account"),  # those of Twitter, which were counted
    ("app/datasets/quantiles.py", "accounts"),
    ("templates/how-it-works.html", "accounts"),  # those of other networks
    ("app/web/problems.py", "silent"),  # store-silent, as above
    ("app/engine/settings.py", "pullers"),  # old names of settings, as above
    ("scripts/lib.sh", "silent"),  # an option of curl
}


def _python(text: str) -> Iterator[str]:
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.NAME:
            yield token.string
        elif token.type == tokenize.STRING:  # keys, fields and slugs, not sentences
            yield from re.findall(r'^[rbfu]*["\']([\w:.-]+)["\']$', token.string)


def _lua(text: str) -> Iterator[str]:
    code = re.sub(r"--[^\n]*", "", text)
    yield from re.findall(r"'([\w:{}.-]+)'", code)
    yield from re.findall(r"[A-Za-z_]\w*", re.sub(r"'[^'\n]*'|\"[^\"\n]*\"", "", code))


def _javascript(text: str) -> Iterator[str]:
    code = re.sub(r"/\*.*?\*/|//[^\n]*", "", text, flags=re.DOTALL)
    yield from re.findall(r"[\w$-]*[A-Za-z_$][\w$-]*(?==|\])|\bdata-[\w-]+", code)  # selectors
    code = re.sub(r'"[^"\n]*"', "", code)
    inside = "".join(re.findall(r"\$\{([^}]*)\}", code))
    yield from re.findall(r"[A-Za-z_$][\w$]*", re.sub(r"`[^`]*`", "", code) + " " + inside)


def _template(text: str) -> Iterator[str]:
    for attribute in re.findall(r'\s(?:id|class|name|href|for|data-[\w-]+)="[^"]*"', text):
        yield from re.findall(r"[A-Za-z_][\w-]*", attribute)
    yield from re.findall(r"\bdata-[\w-]+", text)
    for code in re.findall(r"\{[{%](.*?)[%}]\}", text, re.DOTALL):
        yield from re.findall(r"[A-Za-z_]\w*", re.sub(r'"[^"]*"', "", code))


def _style(text: str) -> Iterator[str]:
    yield from re.findall(r"[.#][A-Za-z_][\w-]*|--[\w-]+|\[data-[\w-]+|@keyframes [\w-]+", text)


READERS: dict[str, Callable[[str], Iterator[str]]] = {
    ".py": _python,
    ".lua": _lua,
    ".js": _javascript,
    ".html": _template,
    ".css": _style,
}


def _retired(name: str) -> bool:
    words = re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", FIELD.sub("", name))
    return not RETIRED.isdisjoint(word.lower() for word in words)


@pytest.mark.parametrize("top", ["app", "bench", "static", "templates"])
def test_no_name_is_a_retired_word(top: str) -> None:
    found = set()
    for path in sorted((PROJECT / top).rglob("*")):
        if path.suffix in READERS and "__pycache__" not in path.parts:
            file = path.relative_to(PROJECT).as_posix()
            names = {path.stem, *READERS[path.suffix](path.read_text())}
            found |= {(file, name) for name in names if _retired(name)}
    assert found <= ALLOWED, sorted(found - ALLOWED)


def _retired_in(suffix: str, text: str) -> set[str]:
    """The retired words of a file; of a style sheet only its comments are read."""
    if suffix == ".css":
        text = " ".join(re.findall(r"/\*.*?\*/", text, re.DOTALL))
    words = re.findall(r"[a-z]+", FIELD.sub("", text).lower())
    return set(IN_SENTENCES.split()) & set(words)


@pytest.mark.parametrize("top", ["app", "bench", "config", "scripts", "static", "templates"])
def test_no_sentence_has_a_retired_word(top: str) -> None:
    found = set()
    for path in sorted((PROJECT / top).rglob("*")):
        if path.suffix in {*READERS, ".sh"} and "__pycache__" not in path.parts:
            file = path.relative_to(PROJECT).as_posix()
            found |= {(file, word) for word in _retired_in(path.suffix, path.read_text())}
    assert found <= ALLOWED_IN_SENTENCES, sorted(found - ALLOWED_IN_SENTENCES)


@pytest.mark.parametrize(
    ("suffix", "text", "words"),
    [
        (".py", '"""The walk of a dead letter."""', {"walk"}),
        (".lua", "-- Rings the doorbell of the author's fans.", {"doorbell", "fans"}),
        (".css", "/* a beat */ .note { letter-spacing: 0 }", {"beat"}),
        (".html", "<p>Fan-out in turn, as a fan_out of DEAD_LETTERS</p>", set()),
    ],
)
def test_a_retired_word_in_a_sentence_is_found(suffix: str, text: str, words: set[str]) -> None:
    assert _retired_in(suffix, text) == words


@pytest.mark.parametrize(
    ("suffix", "text"),
    [
        (".py", "first_beat = 1"),
        (".py", "row['rival']"),
        (".lua", "local walk = 1 -- a comment"),
        (".lua", "redis.call('HSET', key, 'place', 1)"),
        (".js", "const roomFor = 1; // a comment"),
        (".js", "`${pace}`"),
        (".js", '$("[data-pace]")'),
        (".html", '<p data-held="1">'),
        (".html", "{{ user.fans }}"),
        (".css", ".letters { left: 0 }"),
    ],
)
def test_a_retired_word_is_found(suffix: str, text: str) -> None:
    assert any(map(_retired, READERS[suffix](text)))


@pytest.mark.parametrize(
    ("suffix", "text"),
    [
        (".py", "dead_letters = 1  # what is left"),
        (".py", '"""The walk of a beat."""'),
        (".lua", "return redis.error_reply('ERR nothing left to do')"),
        (".js", 'const told = "no room left";'),
        (".html", '<p class="fan-out">The place that is left</p>'),
        (".css", ".note { left: 0 }"),
    ],
)
def test_sentences_and_terms_of_the_field_are_no_names(suffix: str, text: str) -> None:
    assert not any(map(_retired, READERS[suffix](text)))
