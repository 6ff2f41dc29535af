"""The command that measures a GPU, dry on the CPU: parts, limits, failures, and its page."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

PROVE = Path(__file__).parent / "prove.py"


def prove(folder: Path, *arguments: str) -> tuple[int, dict, str]:
    command = [sys.executable, str(PROVE), "--output", str(folder), "--dry-run", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280)
    results = folder / "results.json"
    return (
        done.returncode,
        json.loads(results.read_text()) if results.exists() else {},
        done.stdout + done.stderr,
    )


def test_projector_and_sets_run_dry_and_are_right(tmp_path):
    code, results, said = prove(tmp_path, "projector", "sets")
    assert code == 0, said
    assert list(results) == ["projector", "sets"]
    figures = results["projector"]["figures"]
    goals = {name: figure for name, figure in figures.items() if figure["met"] is not None}
    assert len(goals) == 4 and all(figure["met"] for figure in goals.values()), goals
    assert any("12 labels" in name for name in figures)
    assert any("training images" in name for name in results["sets"]["figures"])
    page = (tmp_path / "results.md").read_text()
    assert "dry run on the CPU" in page and "## sets" in page


def test_the_compact_model_is_compared_and_an_absent_fixture_is_said(tmp_path):
    code, results, said = prove(tmp_path, "parity")
    assert code == 0, said
    figures = results["parity"]["figures"]
    assert figures["compact, float32: masks of 6 names against the CPU's"]["met"]
    assert "--data holds no fixture: the published network is not compared." in results["parity"]["notes"]


def test_a_part_that_is_stopped_or_fails_leaves_the_others(tmp_path):
    (tmp_path / "data" / "bodies").mkdir(parents=True)
    code, results, _ = prove(tmp_path / "out", "training", "projector", "--data", str(tmp_path / "data"))
    assert code == 1
    assert results["training"]["ended"].startswith("failed")
    assert "the training command ended with 1" in results["training"]["notes"]
    assert results["projector"]["ended"] == "finished"
    code, results, _ = prove(tmp_path / "short", "published", "--seconds", "0.5")
    assert code == 1
    assert results["published"]["ended"] == "stopped at its time limit"


def test_an_unknown_part_is_refused(tmp_path):
    code, results, said = prove(tmp_path / "none", "everything")
    assert code == 2 and not results
    assert "choose from projector, parity" in said
