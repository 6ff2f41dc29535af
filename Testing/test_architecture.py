"""Who imports whom, as ARCHITECTURE.md says it: read from the imports of every file, those inside functions too."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LIBRARY = ROOT / "FluoroSAMSlicer" / "FluoroSAMSlicerLib"
FACES = {"panel", "cli"}
NO_FLOOR = {"", "__main__", "lazy"}
OUTSIDE = {
    "slicer": {"mrml", "panel"},
    "vtk": {"mrml", "panel", "drr.mesh"},
    "vtkmodules": {"mrml", "panel"},
    "qt": {"panel"},
    "ctk": {"panel"},
    "click": {"cli"},
}
"""Who may import what belongs to Slicer, Qt or the shell. drr.mesh reads mesh files with vtk where it is there."""


@cache
def floors() -> dict[str, int]:
    """Room to floor, from the table of the map."""
    rows = re.findall(r"^\| (\d) \| (.+?) \|", (ROOT / "ARCHITECTURE.md").read_text("utf-8"), re.MULTILINE)
    return {room: int(floor) for floor, cell in rows for room in re.findall(r"`(\w+)`", cell)}


@cache
def modules() -> dict[str, Path]:
    """Every file by its dotted name inside the library; a folder by its ``__init__``."""
    found = {}
    for path in LIBRARY.rglob("*.py"):
        parts = path.relative_to(LIBRARY).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def imports(name: str) -> tuple[frozenset[str], frozenset[str]]:
    """What a file imports: modules of the library, and top-level packages outside it."""
    path, inside, outside = modules()[name], set(), set()
    package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            outside |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            outside.add(node.module.split(".")[0])
        elif isinstance(node, ast.ImportFrom):
            base = [part for part in package if part][: len(package) - node.level + 1]
            target = ".".join([*base, *(node.module or "").split(".")]).strip(".")
            for alias in node.names:
                whole = f"{target}.{alias.name}".strip(".")
                inside.add(whole if whole in modules() else target)
    return frozenset(inside - {name}), frozenset(outside)


def room(name: str) -> str:
    return name.split(".")[0]


def test_every_room_has_its_line_on_the_map():
    assert {room(name) for name in modules()} - NO_FLOOR == floors().keys() - {"FluoroSAMSlicer"}


@pytest.mark.parametrize("name", sorted({room(name) for name in modules()} - NO_FLOOR))
def test_a_room_imports_from_floors_below_only(name):
    wrong = {
        (one, other)
        for one in modules()
        for other in imports(one)[0]
        if room(one) == name != room(other) not in NO_FLOOR and floors()[room(other)] >= floors()[name]
    }
    assert not wrong


@pytest.mark.parametrize(
    ("folder", "others"),
    [
        ("mrml.nodes", {"mrml.segment", "mrml.synthesize", "mrml.export"}),
        ("mrml.segment", {"mrml.synthesize", "mrml.export"}),
        ("mrml.export", {"mrml.synthesize"}),
        ("mrml.synthesize", {"mrml.export"}),
        ("panel.segment", {"panel.synthesize", "mrml.synthesize"}),
        ("panel.synthesize", {"panel.segment", "mrml.export"}),
    ],
)
def test_the_roads_keep_apart(folder, others):
    own = [name for name in modules() if name.startswith(folder + ".")]
    assert own
    crossed = {
        (name, one) for name in own for one in imports(name)[0] if ".".join(one.split(".")[:2]) in others
    }
    assert not crossed


@pytest.mark.parametrize("package", OUTSIDE)
def test_slicer_qt_and_the_shell_are_known_to_their_rooms_only(package):
    users = {name for name in modules() if package in imports(name)[1]}
    assert {name for name in users if not {name, room(name)} & OUTSIDE[package]} == set()


def reached(start: str, avoiding: frozenset[str] = frozenset()) -> set[str]:
    """All files of a room that a file comes to by imports within the room."""
    found: set[str] = set()
    new = [start]
    while new:
        for one in imports(new.pop())[0]:
            # What a package re-exports is no reason for its files to be imported by themselves.
            if (
                room(one) == room(start)
                and modules()[one].name != "__init__.py"
                and one not in found | avoiding
            ):
                found.add(one)
                new.append(one)
    return found


def test_no_two_files_of_a_room_import_each_other():
    circles = {
        frozenset(other for other in reached(name) if name in reached(other))
        for name in modules()
        if name in reached(name)
    }
    assert not circles


def test_the_map_is_short_and_names_files_that_exist():
    text = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
    assert len(text.splitlines()) <= 100
    named = {one for one in re.findall(r"`([\w/]+\.(?:py|md))`", text) if "/" in one}
    places = (ROOT, LIBRARY, ROOT / "FluoroSAMSlicer")
    assert named and [one for one in named if not any((place / one).is_file() for place in places)] == []
