"""``fluorosam synthesize``: a training set from the shell."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest
from FluoroSAMSlicerLib.dataset import read_set


@pytest.fixture
def knee(shared_data) -> tuple[Path, Path]:
    return shared_data("ct/spl_knee_ct_synthetic.nrrd"), shared_data("ct/spl_knee_labels.nrrd")


@pytest.fixture
def command(knee):
    ct, labels = knee
    return (
        "synthesize", ct, "--labels", labels, "--size", "48", "--workers", "1", "--output", "out",
        "--validation", "0",
    )  # fmt: skip


def test_a_set_of_a_real_label_map(run, command, tmp_path):
    wanted = (
        "--count",
        "3",
        "--lao-rao",
        "RAO 20..LAO 40",
        "--cra-cau",
        "-5..CRA 5",
        "--kv",
        "90",
        "--seed",
        "4",
    )
    result = run(*command, *wanted, "--source", "SPL", "--licence", "as given", "--threshold", "patella=4")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("out: 3 images, 3 made")
    images = read_set(tmp_path / "out")
    settings = json.loads((tmp_path / "out" / "set.json").read_text())["settings"]
    assert settings["lao_deg"] == [-20.0, 40.0] and settings["cra_deg"] == [-5.0, 5.0]
    assert settings["thresholds"] == [["patella", 4.0]]
    assert all(image.physics["kilovolts"] == 90 and "patella" in image.names for image in images)
    assert "| SPL | as given |" in (tmp_path / "out" / "README.md").read_text()


def test_the_same_command_again_makes_nothing_and_another_is_refused(run, fails, command):
    assert run(*command, "--count", "2").exit_code == 0
    assert "2 images, 0 made" in run(*command, "--count", "2", "--resume").stdout
    assert "count was 2, now 3" in fails(*command, "--count", "3")


def test_cts_from_a_table(run, fails, knee, tmp_path):
    ct, labels = knee
    table = tmp_path / "cts.csv"
    table.write_text(f"ct,labels,name,patient,licence\n{ct},{labels},one,p,CC0\n{ct},{labels},two,q,\n")
    synthesize = ("synthesize", "--count", "2", "--size", "32", "--workers", "1", "--output", "out")
    result = run(*synthesize, "--table", table, "--webdataset")
    assert result.exit_code == 0, result.output
    assert {image.ct for image in read_set(tmp_path / "out")} == {"one", "two"}
    table.write_text(f"ct,labels\n{ct},\n")
    assert "line 2: a CT without labels" in fails(*synthesize, "--table", table)
    table.write_text("file\na\n")
    assert "must have the columns ct and labels" in fails(*synthesize, "--table", table)
    assert run(*synthesize, "--table", table, ct).exit_code == run(*synthesize).exit_code == 2


@pytest.mark.parametrize(
    ("option", "text"),
    [
        (("--lao-rao", "10..10"), "no extent"),
        (("--sid", "600..1100"), "raise the first or lower the second"),
        (("--kv", "12"), "no spectrum is known"),
        (("--threshold", "../x=3"), "rename it"),
        (("--resume",), "no set to go on with"),
        (("--names", "absent.json"), "absent.json"),
    ],
)
def test_bad_settings_are_one_line_and_leave_nothing(fails, command, tmp_path, option, text):
    assert text in fails(*command, "--count", "2", *option)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "option",
    [("--lao-rao", "left"), ("--engine", "dask"), ("--threshold", "x"), ("--kv", "1..2..3"), ("--dose", "")],
)
def test_what_cannot_be_read_is_wrong_usage(run, command, option):
    assert run(*command, "--count", "2", *option).exit_code == 2


def test_a_broken_ct_ends_in_one_line_and_the_rest_is_written(run, knee, tmp_path):
    ct, labels = knee
    (tmp_path / "bad.nrrd").write_bytes(ct.read_bytes()[:5000])
    result = run(
        "synthesize", ct, "bad.nrrd", "--labels", labels, "--labels", labels, "--size", "32",
        "--count", "4", "--workers", "1", "--output", "out",
    )  # fmt: skip
    assert result.exit_code == 1 and "1 of 2 CTs stopped, the rest is written. bad:" in result.stderr
    assert len(result.stderr.splitlines()) == 1 and len(read_set(tmp_path / "out")) == 2


@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT")
def test_interrupted_it_says_how_to_go_on(start, run, command, tmp_path):
    process = start(*command, "--count", "60")
    deadline = time.monotonic() + 200
    while not list((tmp_path / "out").glob("records/*/*.json")):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=100)
    assert process.returncode == 130 and "the same command goes on from here" in errors
    there = len(list((tmp_path / "out").glob("records/*/*.json")))
    assert 0 < there < 60 and not (tmp_path / "out" / ".partial").exists()
