"""A session's masks depend on its prompts alone, and every change can be taken back."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from FluoroSAMSlicerLib.anatomy import AmbiguousName, UnknownName
from FluoroSAMSlicerLib.segmentation import PromptError, PromptSession
from FluoroSAMSlicerLib.segmentation import session as session_module

from .conftest import blob_image


@pytest.fixture
def session(predictor, image):
    return PromptSession(predictor, image)


def answers(session) -> dict[str, torch.Tensor]:
    return {name: result.low_res for name, result in session.results.items()}


def assert_same(one, other) -> None:
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_structures_go_by_their_canonical_names_in_the_order_of_asking(session):
    session.segment("rt lung")
    session.segment("left lung")
    session.click("L lung", 50, 60)
    assert list(session.results) == ["right lung", "left lung"]
    assert session.prompts["left lung"].points == ((50, 60),)
    assert session.results["right lung"].mask.shape == (300, 200)
    assert session.result("L lung") is session.result("left lung") is session.results["left lung"]


def test_each_click_corrects_the_round_before(session, predictor, image):
    session.segment("left lung")
    session.click("left lung", 50, 60)
    clicked = session.click("left lung", 120, 200, positive=False)
    embedding = predictor.encode(image)
    first = predictor.predict(embedding, text="left lung")
    second = predictor.predict(embedding, "left lung", [(50, 60)], [1], previous=first)
    third = predictor.predict(embedding, "left lung", [(50, 60), (120, 200)], [1, 0], previous=second)
    assert torch.equal(clicked.low_res, third.low_res) and clicked.prompt.labels == (1, 0)


def test_the_mask_depends_on_the_prompts_and_not_on_how_they_came_about(session, predictor, image):
    session.segment("left lung")
    session.click("left lung", 10, 10)
    session.click("left lung", 120, 200, positive=False)
    session.click("left lung", 77, 30)
    session.set_box("left lung", (5, 5, 150, 250))
    session.move_point("left lung", 0, 50, 60)
    session.remove_point("left lung", 2)
    straight = PromptSession(predictor, image)
    straight.set_box("left lung", (5, 5, 150, 250))
    straight.click("left lung", 50, 60)
    straight.click("left lung", 120, 200, positive=False)
    assert session.prompts == straight.prompts
    assert_same(answers(session), answers(straight))


def test_removing_the_only_click_gives_what_the_text_gave(session):
    by_text = session.segment("left lung").low_res
    session.click("left lung", 50, 60)
    assert torch.equal(session.remove_point("left lung", 0).low_res, by_text)
    session.click("left lung", 50, 60)
    session.set_box("left lung", (5, 5, 150, 250))
    assert torch.equal(session.clear("left lung").low_res, by_text)


def test_every_change_is_undone_and_redone(session):
    states = [(session.prompts, answers(session))]
    for change in (
        lambda: session.segment("left lung"),
        lambda: session.click("left lung", 50, 60),
        lambda: session.segment("right lung"),
        lambda: session.set_box("right lung", (5, 5, 150, 250)),
        lambda: session.move_point("left lung", 0, 80, 90),
        lambda: session.clear("right lung"),
        lambda: session.delete("left lung"),
    ):
        change()
        states.append((session.prompts, answers(session)))
    for prompts, results in reversed(states[:-1]):
        assert session.can_undo and session.undo()
        assert session.prompts == prompts
        assert_same(answers(session), results)
    assert not session.can_undo and not session.undo()
    for prompts, results in states[1:]:
        assert session.can_redo and session.redo()
        assert session.prompts == prompts
        assert_same(answers(session), results)
    assert not session.can_redo and not session.redo()


def test_a_new_change_after_undo_ends_what_could_be_redone(session):
    session.segment("left lung")
    session.click("left lung", 50, 60)
    session.undo()
    session.click("left lung", 70, 80)
    assert not session.can_redo
    session.undo()
    assert session.prompts["left lung"].points == ()


def test_asking_again_changes_nothing(session):
    session.segment("left lung")
    session.click("left lung", 50, 60)
    clicked = session.results["left lung"]
    assert session.segment("lt lung") is clicked
    session.undo()
    assert session.prompts["left lung"].points == ()


def test_undo_asks_the_model_nothing(session, monkeypatch):
    session.segment("left lung")
    session.click("left lung", 50, 60)
    session.click("left lung", 70, 80)
    asked = []
    predict = session.predictor.predict
    monkeypatch.setattr(
        session.predictor, "predict", lambda *given, **n: asked.append(1) or predict(*given, **n)
    )
    session.undo(), session.undo(), session.redo(), session.results
    assert asked == []
    session.move_point("left lung", 0, 55, 66)
    assert len(asked) == 1


def test_a_structure_can_be_found_by_clicks_alone(session):
    session.add("Region 1")
    assert session.results == {}
    with pytest.raises(PromptError, match="nothing was asked for yet"):
        session.result("Region 1")
    clicked = session.click("Region 1", 50, 60)
    assert clicked.text is None and list(session.results) == ["Region 1"]
    assert session.remove_point("Region 1", 0) is None and session.results == {}
    with pytest.raises(PromptError, match="already"):
        session.add("Region 1")


def test_a_click_on_a_structure_not_asked_for_yet_asks_for_it_by_name(session):
    clicked = session.click("L lung", 50, 60)
    assert clicked.structure.name == "left lung" and session.prompts["left lung"].text == "left lung"


def test_names_outside_the_vocabulary_need_leave(session):
    with pytest.raises(UnknownName):
        session.segment("flux capacitor")
    with pytest.raises(UnknownName):
        session.click("flux capacitor", 50, 60)
    with pytest.raises(AmbiguousName):
        session.segment("sinus")
    assert session.prompts == {} and not session.can_undo
    session.segment("flux capacitor", allow_unknown=True)
    assert session.click("flux capacitor", 50, 60).structure is None


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s.click("left lung", 500, 60),
        lambda s: s.click("left lung", float("nan"), 60),
        lambda s: s.move_point("left lung", 0, 50, -7),
        lambda s: s.move_point("left lung", 5, 50, 60),
        lambda s: s.set_box("left lung", (9, 9, 5, 5)),
        lambda s: s.set_box("left lung", (9, 9, 500, 500)),
        lambda s: s.delete("right lung"),
        lambda s: s.result("right lung"),
        lambda s: s.segment(""),
        lambda s: s.add(" "),
    ],
)
def test_a_change_that_fails_leaves_the_session_as_it_was(session, change):
    session.click("left lung", 50, 60)
    prompts, results = session.prompts, answers(session)
    with pytest.raises(PromptError):
        change(session)
    assert session.prompts == prompts
    assert_same(answers(session), results)
    session.undo()
    assert session.prompts == {}


def test_a_session_is_stored_as_json_and_restored(session, predictor, image):
    session.segment("left lung")
    session.click("left lung", 50.25, 60)
    session.click("left lung", 120, 200, positive=False)
    session.set_box("right lung", (5, 5, 150, 250))
    session.add("Region 1")
    stored = json.loads(json.dumps(session.to_dict()))
    again = PromptSession.from_dict(predictor, image, stored)
    assert again.prompts == session.prompts and not again.can_undo
    assert_same(answers(again), answers(session))
    assert again.to_dict() == stored


@pytest.mark.parametrize(
    ("spoil", "cause"),
    [
        (lambda d: d.update(format=99), "format 99"),
        (lambda d: d.update(size=[10, 10]), "10 x 10 pixels, not 200 x 300"),
        (lambda d: d.pop("structures"), "not the stored prompts"),
        (lambda d: d["structures"][0].pop("labels"), "not the stored prompts"),
        (lambda d: d["structures"][0].update(labels=[]), "1 points and 0 labels"),
        (lambda d: d["structures"][0].update(points=[[900, 1]]), "outside the image"),
        (lambda d: d["structures"].insert(0, 5), "not the stored prompts"),
        (lambda d: d["structures"][0].update(name=None), "must have a name"),
    ],
)
def test_spoilt_descriptions_are_refused(session, predictor, image, spoil, cause):
    session.click("left lung", 50, 60)
    stored = session.to_dict()
    spoil(stored)
    with pytest.raises(PromptError, match=cause):
        PromptSession.from_dict(predictor, image, stored)


def test_memory_of_rounds_is_bounded_and_forgotten_rounds_are_repeated(predictor, monkeypatch):
    monkeypatch.setattr(session_module, "REMEMBERED", 3)
    session = PromptSession(predictor, blob_image(120, 90))
    session.segment("left lung")
    for step in range(6):
        session.click("left lung", 10 + 5 * step, 40, positive=step % 2 == 0)
    results = answers(session)
    session.move_point("left lung", 0, 60, 70)
    assert len(session._rounds) == 3
    session.undo()
    assert_same(answers(session), results)


def test_only_shown_results_hold_their_mask(session):
    session.segment("left lung")
    first = session.results["left lung"]
    assert session.results["left lung"] is first and first.mask is session.results["left lung"].mask
    session.click("left lung", 50, 60)
    assert np.shape(session.results["left lung"].mask) == (300, 200)
    assert all("mask" not in vars(round_) for round_ in session._rounds.values())
