"""What the terminal says of a run: scores, where nothing was found, where to look."""

from __future__ import annotations

import numpy as np
from FluoroSAMSlicerLib.anatomy import resolve
from FluoroSAMSlicerLib.cli.prompts import StructurePrompts
from FluoroSAMSlicerLib.cli.run_report import RunReport, counted, listed
from FluoroSAMSlicerLib.runs import FrameAnswers, FrameMask, Propagation
from FluoroSAMSlicerLib.segmentation.cut_mask import CutMask
from runs.made import run_of, sliding

HEART = StructurePrompts("heart", resolve("heart"))
FULL, EMPTY = np.ones((128, 128), bool), np.zeros((128, 128), bool)


def report(masks, scores, doubts, wanted=None) -> RunReport:
    frames = {
        number: FrameAnswers(number, (FrameMask("heart", CutMask.of(mask), score, doubt=doubt),))
        for number, (mask, score, doubt) in enumerate(zip(masks, scores, doubts, strict=True))
    }
    count = len(frames)
    return RunReport(
        "run.dcm", run_of(sliding(count)), [HEART], Propagation(0, frames), wanted or range(count)
    )


def test_scores_are_of_frames_with_something_in_them_and_empty_ones_are_named():
    told = report([FULL, FULL, EMPTY, EMPTY, FULL], [0.9, 0.7, 0.1, 0.1, 0.8], ["", "", "lost", "", ""])
    heart, look = told.lines()
    assert heart == "heart  score 0.80 (least 0.70 in frame 2), nothing found in frames 3-4"
    assert look == "1 frame to look at: 3"
    assert told.to_dict("model", [])["nothing_found"] == {"heart": [3, 4]}


def test_nothing_anywhere_is_said_in_two_words():
    assert next(report([EMPTY, EMPTY], [0.1, 0.1], ["nothing found", ""]).lines()) == "heart  nothing found"


def test_one_frame_has_one_score():
    assert next(report([FULL], [0.9], [""]).lines()) == "heart  score 0.90"


def test_only_frames_asked_for_are_reported():
    told = report([FULL] * 4, [0.9] * 4, ["strange", "", "strange", ""], wanted=[1, 2])
    assert [one.frame for one in told.done] == [1, 2]
    assert list(told.lines())[-1] == "1 frame to look at: 3"


def test_numbers_of_frames_are_ranges():
    assert listed([3]) == "frame 3" and listed([1, 2, 3, 7, 9, 10]) == "frames 1-3, 7, 9-10"
    assert counted(1, "frame") == "1 frame" and counted(0, "frame") == "0 frames"
