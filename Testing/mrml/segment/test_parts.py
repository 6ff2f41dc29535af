"""The parts of the Segment tab's logic, each on its own: what is there, what can be undone, what comes too late."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from FluoroSAMSlicerLib.mrml.segment.answers import Answers
from FluoroSAMSlicerLib.mrml.segment.images import IMAGES_KEPT, Images
from FluoroSAMSlicerLib.mrml.segment.job import Request
from FluoroSAMSlicerLib.mrml.segment.logic import Logic
from FluoroSAMSlicerLib.mrml.segment.prompt_editing import PromptEditing
from FluoroSAMSlicerLib.mrml.segment.prompts import SegmentPrompt
from FluoroSAMSlicerLib.mrml.segment.requests import Requests
from FluoroSAMSlicerLib.mrml.segment.scene import ImageSegments
from FluoroSAMSlicerLib.mrml.segment.steps import Steps, slot
from FluoroSAMSlicerLib.segmentation import Prompt
from mrml.bench import image_node, new_scene


@pytest.fixture
def scene():
    return new_scene()


@pytest.fixture
def image(scene):
    return image_node(scene)


def test_segments_are_written_and_found_without_prompts(scene, image):
    segments = ImageSegments(scene)
    record = segments.record(image)
    mask = np.zeros(image.GetImageData().GetDimensions()[1::-1], bool)
    mask[2:9, 3:7] = True
    lung = segments.write(record, "left lung", mask, {})
    assert segments.place(image, lung)[1] == "left lung" and not segments.edited(record, lung)
    assert [state.name for state in segments.segments(image)] == ["left lung"]
    assert segments.free_key(record, "left lung") == "left lung (2)"


def test_a_change_is_one_step_that_outdates_what_was_asked_before(scene, image):
    segments = ImageSegments(scene)
    steps = Steps(segments)
    record = segments.record(image)
    with steps.change(record):
        segments.empty(record, "heart")
        record.set_prompt("heart", SegmentPrompt(Prompt(text="heart")))
    asked = steps.number()
    place = slot(record, "heart")
    assert steps.canUndo(image) and not steps.canRedo(image) and not steps.is_outdated(place, asked)
    assert steps.step(image, "undo") is not None
    assert record.keys() == [] and steps.canRedo(image) and steps.is_outdated(place, asked)
    assert steps.is_outdated(place, asked) and not steps.is_outdated(place, steps.number())


def test_an_answer_comes_too_late_once_a_newer_one_is_shown(scene, image):
    segments = ImageSegments(scene)
    steps, images = Steps(segments), Images()
    answers = Answers(segments, steps)
    record = segments.record(image)
    segments.empty(record, "heart")
    record.set_prompt("heart", SegmentPrompt(Prompt(text="heart")))
    asking = Requests(segments, steps, PromptEditing(segments, steps), images, answers)
    older, newer = asking.textRequest(image, "heart") + asking.textRequest(image, "heart")
    assert isinstance(older, Request) and answers.stale(older) == ""
    steps.answered(older.slot, newer.id)
    assert "changed since" in answers.stale(older)
    answers.release()
    assert "called off" in answers.stale(newer)


def test_only_the_last_images_are_known(scene):
    images = Images()
    nodes = [image_node(scene) for _ in range(IMAGES_KEPT + 1)]
    first = [images.of(node) for node in nodes][0]
    assert images.held(nodes[0]) is None and images.of(nodes[0]) is not first
    assert images.of(nodes[-1]) is images.held(nodes[-1])


def test_the_logic_is_composed_and_lists_all_that_its_parts_offer():
    assert Logic.__bases__ == (object,)
    for part in (ImageSegments, Steps, PromptEditing, Requests, Answers):
        assert part.__bases__ == (object,)
        camel = {name for name in vars(part) if name[0] != "_" and name != name.lower()}
        assert camel <= set(dir(Logic)), camel - set(dir(Logic))
    click = Logic.clickRequest
    assert click.__doc__ and list(inspect.signature(click).parameters) == ["self", "volumeNode", "segmentId"]
