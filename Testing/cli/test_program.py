"""The program as a whole: help, exit codes, and one line for every kind of failure."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path

import pytest
from FluoroSAMSlicerLib.cli.failures import FAMILIES, explain
from FluoroSAMSlicerLib.cli.program import VERBS


def test_help_lists_every_verb(run):
    result = run("--help")
    assert result.exit_code == 0
    assert all(f"\n  {verb} " in result.output for verb in VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_and_takes_verbose(run, verb):
    result = run(verb, "--help")
    assert result.exit_code == 0 and "--verbose" in result.output


def test_help_loads_nothing_heavy():
    code = (
        "import sys; from FluoroSAMSlicerLib.cli import main\n"
        "try: main(['--help'])\n"
        "finally: print(*(m for m in ('numpy', 'torch', 'transformers', 'numba', 'SimpleITK', 'slicer', 'vtk',"
        " 'pydicom', 'PIL', 'tqdm') if m in sys.modules), file=sys.stderr)"
    )
    folder = Path(__file__).resolve().parents[2] / "FluoroSAMSlicer"
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0 and "segment" in done.stdout
    assert done.stderr.strip() == ""


def test_module_can_be_run_and_is_called_fluorosam(start):
    out, err = start("--version").communicate()
    assert out.startswith("fluorosam, version ") and not err


@pytest.mark.parametrize(
    "arguments",
    [
        ["no-such-verb"],
        ["segment"],
        ["segment", "a.png", "--text", "heart"],
        ["segment", "a.png", "--output", "out"],
        ["segment", "a.png", "--text", "heart", "--device", "abacus", "--output", "out"],
        ["evaluate", "m.jsonl", "--clicks", "one"],
        ["render", "ct.nrrd", "--view", "LAO", "--output", "out"],
        ["synthesize", "a.nrrd", "b.nrrd", "--labels", "a.nrrd", "--count", "1", "--output", "out"],
    ],
)
def test_wrong_usage_is_exit_code_2_and_makes_nothing(run, tmp_path, arguments):
    result = run(*arguments)
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1].startswith("Error: ")
    assert not list(tmp_path.iterdir())


def test_families_exist_in_their_rooms():
    from importlib import import_module

    for room, name in FAMILIES.items():
        assert issubclass(getattr(import_module(f"FluoroSAMSlicerLib.{room}"), name), Exception)


def test_explanations_are_one_line():
    from FluoroSAMSlicerLib.radiograph import RadiographError

    assert explain(RadiographError("a.dcm:\n  is\tbroken")) == "a.dcm: is broken"
    assert explain(PermissionError(errno.EACCES, "Permission denied", "/x")) == "/x: Permission denied"
    assert "disk is full" in explain(OSError(errno.ENOSPC, "No space left on device", "/x/y.png"))
    assert explain(MemoryError()) == "not enough memory"
    assert "--verbose" in explain(ZeroDivisionError("division by zero"))
    assert len(explain(ValueError("long " * 5000))) <= 1000


@pytest.mark.parametrize("place", ["before", "after"])
def test_verbose_shows_the_traceback(run, place):
    command = ["anatomy", "resolve", "xyzzy"]
    verbose = ["--verbose", *command] if place == "before" else [*command, "--verbose"]
    shown, hidden = run(*verbose), run(*command)
    assert shown.exit_code == hidden.exit_code == 1
    assert "Traceback" in shown.stderr and "UnknownName" in shown.stderr
    assert shown.stderr.splitlines()[-1] == hidden.stderr.strip()


def test_interruption_is_exit_code_130(run, monkeypatch):
    def stop(_text):
        raise KeyboardInterrupt

    monkeypatch.setattr("FluoroSAMSlicerLib.anatomy.interpret", stop)
    result = run("anatomy", "resolve", "heart")
    assert result.exit_code == 130 and result.stderr == "fluorosam: stopped\n"


def test_a_reader_that_leaves_early_is_no_failure(start):
    process = start("anatomy", "search", "bone", "--limit", "1000")
    process.stdout.close()
    assert "Traceback" not in process.stderr.read()
    process.wait()
