"""Draws the packages of `app` in their layers, with the imports that the code has.

    python scripts/architecture.py [FILE]

FILE is docs/images/architecture.svg where none is named. A test fails when that picture no longer
fits the code. Needs the packages of requirements-dev.txt.
"""

import ast
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from itertools import permutations, product
from pathlib import Path

import grimp

ROOT = Path(__file__).resolve().parent.parent
PICTURE = ROOT / "docs/images/architecture.svg"

FACE, STORE, VALUES = "app.engine.engine", "app.engine.store", "app.engine.models"
PARTS = [f"app.engine.{name}" for name in ("delivery", "metrics", "publishing", "feeds")]
"""Another module directly in app/engine stands above the parts if it uses them, else below."""

GAP = 30
"""Between neighbours; what is farther apart gets no arrow."""
ROWS = [  # y, height, x, width, and the boxes that share the width
    (20, 44, 20, 860, ["app.main"]),
    (94, 176, 20, 415, ["app.web"]),
    (130, 126, 34, 387, ["app.web.api", "app.web.pages"]),
    (94, 176, 465, 415, ["app.worker", "app.commands"]),
    (300, 44, 20, 860, ["app.current"]),
    (374, 44, 20, 860, ["app.bootstrap"]),
    (448, 44, 20, 860, ["app.datasets"]),
    (522, 44, 20, 860, ["app.settings"]),
    (596, 392, 20, 860, ["app.engine"]),
    (632, 44, 34, 832, [FACE]),
    (706, 120, 34, 832, PARTS),
    (856, 44, 34, 832, [STORE]),
    (930, 44, 34, 832, [VALUES]),
]
WIDTH, HEIGHT = 900, 1038

PADDING = 14
TEXT_X = 190
"""Where the texts of full-width boxes begin."""
NAME_CHARACTER, TEXT_CHARACTER = 8.8, 7
"""Mean widths of characters in a wide font."""

STYLE = """
.paper { fill: #fdfdfc } .box { fill: #fff; stroke: #7d868b } .frame { fill: #f3f4f1 }
.name { fill: #15191c; font-weight: 600; font-size: 14px }
.text { fill: #545d63; font-size: 12.5px }
.arrow { stroke: #15191c; stroke-width: 1.5 } .head { fill: #15191c }
@media (prefers-color-scheme: dark) {
.paper { fill: #14181b } .box { fill: #171c20; stroke: #79848b } .frame { fill: #20272b }
.name { fill: #e9ecee } .text { fill: #a9b3b9 } .arrow { stroke: #e9ecee } .head { fill: #e9ecee }
}
"""
NOTE = "Arrows: imports of the neighbour. Each layer may also import from all layers below it."


@dataclass(frozen=True)
class Box:
    """A package and where it is drawn; a frame has other boxes in it."""

    package: str
    x: float
    y: float
    width: float
    height: float

    @property
    def right(self) -> float:
        """The x of its right side."""
        return self.x + self.width

    @property
    def bottom(self) -> float:
        """The y of its lower side."""
        return self.y + self.height


def boxes() -> dict[str, Box]:
    """All boxes by their packages."""
    found = {}
    for y, height, x, width, packages in ROWS:
        each = (width - GAP * (len(packages) - 1)) / len(packages)
        for number, package in enumerate(packages):
            found[package] = Box(package, x + number * (each + GAP), y, each, height)
    return found


def members(graph: grimp.ImportGraph, packages: dict[str, Box]) -> dict[str, str]:
    """The box of each module."""
    found = {}
    for module in graph.modules - {"app"}:
        package = next(p for p in sorted(packages, key=len, reverse=True) if _lies_in(module, p))
        if package in ("app.engine", FACE, VALUES):
            used = graph.find_modules_directly_imported_by(module)
            uses_parts = any(_lies_in(u, part) for u in used for part in PARTS)
            package = FACE if module == "app.engine" or uses_parts else VALUES
        found[module] = package
    return found


def _lies_in(module: str, package: str) -> bool:
    return f"{module}.".startswith(f"{package}.")


def imports(graph: grimp.ImportGraph, member: dict[str, str]) -> set[tuple[str, str]]:
    """Who imports whom, boxes and the frames around them."""
    found = set()
    for module, package in member.items():
        for other in graph.find_modules_directly_imported_by(module) & member.keys():
            ours, theirs = (_with_frame(package), _with_frame(member[other]))
            found |= {(a, b) for a, b in product(ours, theirs) if not (a in theirs or b in ours)}
    return found


def _with_frame(package: str) -> list[str]:
    frame = package.rpartition(".")[0]
    return [package] if frame == "app" else [package, frame]


def arrows(drawn: dict[str, Box], imported: set[tuple[str, str]]) -> Iterator[str]:
    """A line between two neighbours, with a head at each end that is imported."""
    for a, b in permutations(drawn.values(), 2):
        ends = {"end": (a.package, b.package), "start": (b.package, a.package)}
        heads = [f'marker-{end}="url(#head)"' for end, pair in ends.items() if pair in imported]
        if heads and b.y == a.bottom + GAP and a.x < b.right and b.x < a.right:
            narrow = min(a, b, key=lambda box: box.width)
            x = narrow.x + narrow.width / 2
            line = f"M{x:g} {a.bottom + 1:g}V{b.y - 1:g}"
        elif heads and b.x == a.right + GAP and a.y == b.y:
            line = f"M{a.right + 1:g} {a.y + a.height / 2:g}H{b.x - 1:g}"
        else:
            continue
        yield f'<path class="arrow" {" ".join(heads)} d="{line}"/>'


def labels(box: Box, title: str, text: str, is_frame: bool) -> Iterator[str]:
    """The box with what stands in it."""
    x, y = box.x + PADDING, box.y + 27
    name = f'<text class="name" x="{x:g}" y="{y - 3 * is_frame:g}">{escape(title)}</text>'
    kind = "box frame" if is_frame else "box"
    place = f'x="{box.x:g}" y="{box.y:g}" width="{box.width:g}" height="{box.height:g}"'
    yield f'<rect class="{kind}" {place} rx="5"/>{name}'
    if is_frame:
        x += NAME_CHARACTER * len(title) + PADDING
        y -= 3
    elif box.height == 44:
        x = (
            TEXT_X
            if x + NAME_CHARACTER * len(title) < TEXT_X
            else x + NAME_CHARACTER * len(title) + 14
        )
    else:
        y += 22
    for line in textwrap.wrap(text, int((box.right - PADDING - x) / TEXT_CHARACTER)):
        yield f'<text class="text" x="{x:g}" y="{y:g}">{escape(line)}</text>'
        y += 17


def first_sentence(module: str) -> str:
    """The first line of what the module says about itself."""
    path = ROOT / module.replace(".", "/")
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return (ast.get_docstring(ast.parse(file.read_text())) or "").partition("\n")[0]


def title_of(package: str, member: dict[str, str]) -> str:
    """The package's name; in the engine, the names of all that stands in its box."""
    names = {package}
    if package in (FACE, VALUES):
        names |= {m for m, p in member.items() if p == package and m.count(".") == 2}
    return ", ".join(sorted(name.rpartition(".")[2] for name in names))


def picture() -> str:
    """The drawing as SVG."""
    graph = grimp.build_graph("app", cache_dir=None)
    drawn = boxes()
    member = members(graph, drawn)
    frames = {package.rpartition(".")[0] for package in drawn} - {"app"}
    texts: list[str] = []
    for package, box in drawn.items():
        text = first_sentence(package) if package != VALUES else ""
        texts += labels(box, title_of(package, member), text, package in frames)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img"'
            ' font-family="Helvetica, Arial, sans-serif">',
            f"<title>The packages of app in their layers</title><style>{STYLE}</style>",
            '<defs><marker id="head" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7"'
            ' markerHeight="7" orient="auto-start-reverse">'
            '<path class="head" d="M0 0 10 5 0 10z"/></marker></defs>',
            f'<rect class="paper" width="{WIDTH}" height="{HEIGHT}"/>',
            *texts,
            *arrows(drawn, imports(graph, member)),
            f'<text class="text" x="20" y="{HEIGHT - 20}">{NOTE}</text>',
            "</svg>\n",
        ]
    )


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))  # grimp looks for `app` there
    (Path(sys.argv[1]) if sys.argv[1:] else PICTURE).write_text(picture())
