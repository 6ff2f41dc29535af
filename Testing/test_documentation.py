"""README and manual: every link leads somewhere, and every example that needs nobody's data runs as printed.

An example that needs more than the repository has says so in a comment above it: ``<!-- not run: why -->``.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *(ROOT / "Resources").rglob("*.md"),
        ROOT / "FluoroSAMSlicer" / "Resources" / "Models" / "compact" / "README.md",
    ]
)
MANUAL = ROOT / "Resources" / "Manual"
FENCE = re.compile(r"^([^\n]*)\n```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TREE = "https://github.com/FluoroSAMSlicer/SlicerFluoroSAM/blob/main/"


def examples(language: str) -> list[tuple[str, str]]:
    """(page, text) of every example that is to be run."""
    found = []
    for page in (ROOT / "README.md", *sorted(MANUAL.glob("*.md"))):
        for before, kind, text in FENCE.findall(page.read_text("utf-8")):
            if kind == language and not before.startswith("<!-- not run: "):
                found.append((page.relative_to(ROOT).as_posix(), text))
    return found


def anchors(page: Path) -> set[str]:
    """What headings of a page are called in links to them, as GitHub makes it."""
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_leads_somewhere(page):
    text = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    dead = []
    for link in re.findall(r'\]\(([^)\s]+)\)|src="([^"]+)"', text):
        target, _, anchor = "".join(link).partition("#")
        if target.startswith(("https://", "http://")):
            continue
        place = (page.parent / target).resolve() if target else page
        if not place.exists() or (anchor and anchor not in anchors(place)):
            dead.append("".join(link))
    assert dead == []


def test_the_readme_is_short_and_leads_to_every_page_of_the_manual():
    text = (ROOT / "README.md").read_text("utf-8")
    assert len(text.splitlines()) <= 150
    contents = (MANUAL / "README.md").read_text("utf-8")
    for page in {path.name for path in MANUAL.glob("*.md")} - {"README.md"}:
        assert f"(Resources/Manual/{page})" in text and f"({page})" in contents


def test_the_help_of_the_module_leads_to_the_manual():
    source = (ROOT / "FluoroSAMSlicer" / "FluoroSAMSlicer.py").read_text("utf-8")
    links = re.findall(rf'href="{re.escape(TREE)}([^"]+)"', source)
    assert links and all((ROOT / link).is_file() for link in links)
    assert any(link.startswith("Resources/Manual/") for link in links)


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """A folder that looks like the top of the repository, and an environment that has ``fluorosam``."""
    folder = tmp_path_factory.mktemp("reader")
    (folder / "FluoroSAMSlicer").symlink_to(ROOT / "FluoroSAMSlicer", target_is_directory=True)
    (folder / "bin").mkdir()
    program = folder / "bin" / "fluorosam"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m FluoroSAMSlicerLib "$@"\n')
    program.chmod(0o755)
    return folder, {
        **os.environ,
        "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT / "FluoroSAMSlicer"),
        "FLUOROSAM_MODELS": str(folder / "models"),
        "OMP_NUM_THREADS": "1",
    }


@pytest.mark.skipif(os.name == "nt", reason="the examples are for a POSIX shell")
def test_shell_examples_run(workplace):
    folder, environment = workplace
    found = examples("sh")
    assert {page for page, _ in found} >= {"README.md", "Resources/Manual/command_line.md"}
    # The same line on two pages is the same program.
    lines = dict.fromkeys(line for _, text in found for line in text.splitlines() if line.strip())
    done = subprocess.run(
        ["sh", "-e", "-c", "\n".join(lines)], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "left femur" in done.stdout and (folder / "out" / "chest_drr.seg.nrrd").is_file()


@pytest.mark.skipif(os.name == "nt", reason="the folder links to the repository")
def test_python_examples_run(workplace):
    """Those of a page go on from each other; a page begins anew."""
    folder, environment = workplace
    found = examples("python")
    assert {page for page, _ in found} >= {"README.md", "Resources/Manual/command_line.md"}
    pages: dict[str, list[str]] = {}
    for page, text in found:
        pages.setdefault(page, []).append(text)
    program = "\n".join(f"exec({chr(10).join(texts)!r}, {{}})" for texts in pages.values())
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
