"""Several names of one request: found in one pass where the model can, with the answers of asking one by one."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from FluoroSAMSlicerLib.anatomy import UnknownName
from FluoroSAMSlicerLib.model import FluoroSAM, FluoroSAMConfig, Provenance
from FluoroSAMSlicerLib.radiograph import read_radiograph
from FluoroSAMSlicerLib.segmentation import Predictor, PromptError, PromptSession
from FluoroSAMSlicerLib.segmentation import session as session_module
from FluoroSAMSlicerLib.segmentation.candidates import Candidates
from FluoroSAMSlicerLib.segmentation.closer_looks import CloserLooks

SAMPLE = Path(__file__).parents[2] / "FluoroSAMSlicer" / "Resources" / "SampleData" / "chest_drr.dcm"
NAMES = ["left lung", "lungs", "left femur"]


class Codes:
    """Reads every phrase as its own code, without a text tower."""

    def encode(self, phrases):
        return [hash(phrase) % 1000 for phrase in phrases]


@pytest.fixture(scope="module")
def pyramid() -> Predictor:
    torch.manual_seed(3)
    config = replace(FluoroSAMConfig.compact(), close_ups=False)
    network = FluoroSAM(config).eval()
    predictor = Predictor(network, Codes(), Provenance("random", "", ""), device="cpu", threads=1)
    table = torch.randn(1000, config.width)
    predictor.inference.code = lambda phrase: table[Codes().encode([phrase])]
    return predictor


@pytest.mark.parametrize("which", ["pyramid", "predictor"])
def test_together_is_as_one_by_one(which, image, request):
    predictor = request.getfixturevalue(which)
    embedding = predictor.encode(image)
    together = predictor.predict_names(embedding, NAMES)
    for name, found in zip(NAMES, together, strict=True):
        alone = predictor.predict(embedding, text=name)
        torch.testing.assert_close(found.low_res, alone.low_res, atol=2e-4, rtol=1e-4)
        assert found.prompt == alone.prompt and found.structure == alone.structure
        assert found.score == pytest.approx(alone.score, abs=1e-4)


def test_all_names_take_one_pass(pyramid, image, monkeypatch):
    embedding, passes, decode = pyramid.encode(image), [], pyramid.network.decode_names
    monkeypatch.setattr(
        pyramid.network, "decode_names", lambda f, codes: passes.append(codes.shape[1]) or decode(f, codes)
    )
    session = PromptSession(pyramid, image)
    assert list(session.segment_all(NAMES)) == NAMES
    assert passes == [3]
    assert session.segment_all(["lungs", "right lung"]).keys() == {"lungs", "right lung"}
    assert passes == [3, 1]
    session.undo()
    assert list(session.prompts) == NAMES
    session.undo()
    assert not session.prompts
    assert embedding.cells == pyramid.network.config.embedding_size


def test_a_click_begins_with_the_mask_by_name(pyramid, image, monkeypatch):
    embedding, shown, encode = pyramid.encode(image), [], pyramid.network.encode_prompts
    monkeypatch.setattr(
        pyramid.network, "encode_prompts", lambda **given: shown.append(given) or encode(**given)
    )
    by_name = pyramid.predict(embedding, text="left lung")
    assert not shown and len(by_name.candidates) == 1
    at_once = pyramid.predict(embedding, text="left lung", points=[(40, 50)], labels=[1])
    later = pyramid.predict(embedding, text="left lung", points=[(40, 50)], labels=[1], previous=by_name)
    assert torch.equal(at_once.low_res, later.low_res) and len(later.candidates) == 3
    torch.testing.assert_close(
        shown[0]["masks"][0, 0], torch.nn.functional.avg_pool2d(by_name.low_res[None, None], 2)[0, 0]
    )


def test_neighbours_are_looked_at_closer_together(pyramid, image, monkeypatch):
    closer = Predictor(pyramid.network, Codes(), Provenance("random", "", ""), device="cpu", threads=1)
    closer.inference.code = pyramid.inference.code
    looks = CloserLooks(closer.inference, closer._embedded)
    monkeypatch.setattr(closer, "_closer", looks)
    embedding = replace(closer.encode(image), pixels=image.pixels)
    side = 8 * embedding.cells

    def spot(row: int, column: int) -> torch.Tensor:
        logits = torch.full((1, 1, side, side), -9.0)
        logits[..., row - 3 : row + 3, column - 3 : column + 3] = 9.0
        return logits[0]

    spots = [spot(20, 20), spot(24, 30), spot(100, 100)]
    monkeypatch.setattr(
        closer.inference, "names", lambda e, _: [Candidates(one, (0.5,), e.frame) for one in spots]
    )
    encoded, embed = [], looks.embed
    monkeypatch.setattr(looks, "embed", lambda images: encoded.append(len(images)) or embed(images))
    first, second, third = closer.predict_names(embedding, NAMES)
    assert encoded == [2]
    assert first.close_ups[0].window == second.close_ups[0].window != third.close_ups[0].window
    for found, name, logits in zip((first, second, third), NAMES, spots, strict=True):
        window = found.close_ups[0].window
        near = looks._embeddings(embedding, [window])[window]
        mask = window.mask_prompt(logits[0], embedding.frame, near.frame)
        alone = closer.inference.decode(near, found.prompt, name, mask)
        best = alone.low_res[alone.best(found.prompt)]
        torch.testing.assert_close(found.close_ups[0].answer.low_res[0], best, atol=2e-4, rtol=1e-4)
    once = closer.predict_names(embedding, NAMES, closer=False)
    assert sum(encoded) == 2 and not any(one.close_ups for one in once)


def test_what_is_too_large_to_be_looked_at_together_has_the_looks_it_has_alone(pyramid, image, monkeypatch):
    closer = Predictor(pyramid.network, Codes(), Provenance("random", "", ""), device="cpu", threads=1)
    closer.inference.code = pyramid.inference.code
    monkeypatch.setattr(closer, "_closer", CloserLooks(closer.inference, closer._embedded))
    embedding = replace(closer.encode(image), pixels=image.pixels)
    side = 8 * embedding.cells
    found = {name: torch.full((1, side, side), -9.0) for name in NAMES}
    found["left lung"][:, 20:26, 20:26] = 9.0
    found["lungs"][:, 34:94, 18:68] = 9.0
    found["left femur"][:] = 9.0
    monkeypatch.setattr(
        closer.inference, "names", lambda e, names: [Candidates(found[name], (0.5,), e.frame) for name in names]
    )
    small, large, whole = closer.predict_names(embedding, NAMES)
    assert len(small.close_ups) == 1 and len(large.close_ups) > 1 and not whole.close_ups
    alone = closer.predict(embedding, text="lungs")
    assert [one.window for one in large.close_ups] == [one.window for one in alone.close_ups]
    for one, other in zip(large.close_ups, alone.close_ups, strict=True):
        torch.testing.assert_close(one.answer.low_res, other.answer.low_res, atol=2e-4, rtol=1e-4)


def test_one_unknown_name_changes_nothing(pyramid, image):
    session = PromptSession(pyramid, image)
    with pytest.raises(UnknownName):
        session.segment_all(["left lung", "frobnicator"])
    assert not session.prompts and not session.can_undo
    with pytest.raises(PromptError):
        pyramid.predict_names(pyramid.encode(image), ["left lung", ""])
    assert pyramid.predict_names(pyramid.encode(image), []) == []


def test_a_landmark_is_asked_for_by_the_structure_that_it_is_part_of(pyramid, image):
    embedding = pyramid.encode(image)
    part, whole = (pyramid.predict(embedding, text=text) for text in ("left olecranon", "left ulna"))
    assert torch.equal(part.low_res, whole.low_res) and part.structure.name != whole.structure.name
    assert "part of left ulna" in " ".join(part.notes) and not whole.notes
    assert pyramid.predict_names(embedding, ["left olecranon"])[0].notes == part.notes


def test_no_points_may_be_none(pyramid, image):
    embedding = pyramid.encode(image)
    none = pyramid.predict(embedding, text="left lung", points=None, labels=None)
    assert torch.equal(none.low_res, pyramid.predict(embedding, text="left lung").low_res)


def test_what_was_asked_for_together_comes_back_as_it_was(monkeypatch):
    chest = read_radiograph(SAMPLE)
    looker = Predictor.load("compact", device="cpu", threads=1)
    session = PromptSession(looker, chest)
    masks = {name: found.mask for name, found in session.segment_all(["heart", "left lung"]).items()}
    alone = looker.predict(looker.encode(chest), "heart").mask
    assert np.count_nonzero(alone != masks["heart"]) > 1000, "else this shows nothing"

    again = PromptSession.from_dict(looker, chest, json.loads(json.dumps(session.to_dict())))
    assert all(np.array_equal(again.result(name).mask, mask) for name, mask in masks.items())

    monkeypatch.setattr(session_module, "REMEMBERED", 2)
    for step in range(3):
        session.click("left lung", 600 + 20 * step, 400)
    session.click("heart", 520, 640)
    session.clear("heart")
    assert np.array_equal(session.result("heart").mask, masks["heart"])
    for _ in range(5):
        session.undo()
    assert all(np.array_equal(session.result(name).mask, mask) for name, mask in masks.items())


@pytest.mark.parametrize("beside", [["left lung"], ["right lung", "heart"], []])
def test_a_stored_prompt_whose_names_do_not_fit_is_asked_alone(pyramid, image, beside):
    session = PromptSession(pyramid, image)
    found = session.segment("left lung")
    stored = session.to_dict()
    stored["structures"][0]["beside"] = beside
    again = PromptSession.from_dict(pyramid, image, stored)
    assert np.array_equal(again.result("left lung").mask, found.mask)
    del stored["structures"][0]["beside"]
    assert PromptSession.from_dict(pyramid, image, stored).prompts == session.prompts


@pytest.mark.parametrize("beside", [5, [1], [""], None, "left lung"])
def test_damaged_names_of_a_stored_prompt_are_refused(pyramid, image, beside):
    session = PromptSession(pyramid, image)
    session.segment("left lung")
    stored = session.to_dict()
    stored["structures"][0]["beside"] = beside
    with pytest.raises(PromptError):
        PromptSession.from_dict(pyramid, image, stored)
