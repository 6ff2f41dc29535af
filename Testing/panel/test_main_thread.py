"""The budget of the main thread: what an action of the user may cost it, with the scene's real nodes.

Events are counted exactly, since each makes the views, tables and selectors of the application look anew. Time is
processor time of the main thread, as a multiple of one update of an empty segment on the same machine, with room for
a busy one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from mrml.bench import Together, image_node
from panel import actions
from panel.bench import new_bench
from panel.main_thread import Announcements, cost, cost_of_an_update
from panel.synthesize.bench import new_drr_bench

BENCHMARK = Path(__file__).resolve().parents[1] / "benchmarks" / "panel_speed.py"
UPDATES = {
    "opening": 1400,
    "sample": 260,
    "large": 1800,
    "four names": 340,
    "threshold": 200,
    "export": 400,
    "export of many": 400,
    "check": 740,
}
"""Updates of an empty segment, a quarter of a millisecond each, that the longest turn of the event loop may take:
six times of what was measured and more: a busy machine takes several times as long."""


@pytest.fixture
def bench(application, tmp_path):
    with new_bench(application, tmp_path, Together()) as made:
        made.wait()
        yield made


def within(name: str, taken, update: float) -> None:
    ratio = taken.longest_ms / update
    assert ratio < UPDATES[name], (
        f"{name}: the main thread was busy for {ratio:.0f} updates of an empty segment"
    )


def measured(bench, name: str, wanted) -> dict[str, int]:
    """Do an action within its budget; what the scene announced."""
    update = cost_of_an_update(bench.scene)
    with Announcements(bench.scene) as announced:
        taken = cost(bench.application, *wanted)
    within(name, taken, update)
    return dict(announced.heard)


def test_the_first_opening_and_that_of_the_other_tab(bench):
    """In a process of its own, in which nothing was imported before."""
    command = [sys.executable, str(BENCHMARK), "--once", "open"]
    environment = os.environ | {"QT_QPA_PLATFORM": "offscreen"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=250, check=True)
    figures = json.loads(done.stdout.splitlines()[-1])
    for name in ("first opening", "the Synthesize tab, first shown"):
        total, longest = figures[name]
        assert longest / cost_of_an_update(bench.scene) < UPDATES["opening"], name
        # It is parted into turns.
        assert longest < 0.6 * total, name


def test_the_sample_adds_an_image_and_its_display(bench):
    heard = measured(bench, "sample", actions.sample(bench))
    assert heard == {"NodeAdded": 2}


def test_an_image_of_3000_by_3000(bench, tmp_path):
    heard = measured(bench, "large", actions.load(bench, actions.large_file(tmp_path)))
    assert heard == {"NodeAdded": 2}


def test_four_names_are_one_modification(bench):
    bench.add_image(height=1024, width=1024)
    heard = measured(bench, "four names", actions.ask(bench))
    # The record, the segmentation and its display; then all segments at once, and the look of the chosen one.
    assert heard == {"NodeAdded": 3, "SegmentAdded": 1, "DisplayModified": 2}
    assert len(bench.names()) == 4


def test_a_step_of_the_threshold_is_one_modification(bench):
    bench.add_image(height=1024, width=1024)
    bench.ask("heart")
    heard = measured(bench, "threshold", actions.threshold(bench))
    # Thirteen steps of a mouse that is faster than the views, and the last one drawn from all logits.
    assert set(heard) <= {"SegmentModified", "RepresentationModified", "DisplayModified"}
    assert 1 <= heard["SegmentModified"] <= len(actions.STEPS) + 1
    one = measured(bench, "threshold", actions.threshold(bench, np.array([0.4])))
    assert one["SegmentModified"] <= 2


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("Slicer segmentation", "a.seg.nrrd"),
        ("NIfTI", ""),
        ("PNG masks", ""),
        ("PNG overlay", "a.png"),
        ("COCO", "a.json"),
        ("Table", "a.csv"),
    ],
)
def test_an_export_announces_nothing(bench, tmp_path, title, name):
    bench.add_image(height=1024, width=1024)
    bench.ask(actions.FOUR)
    place = tmp_path / "written"
    place.mkdir()
    heard = measured(bench, "export", actions.export(bench, title, place / name if name else place))
    assert heard == {} and list(place.iterdir())


def test_the_export_of_61_segments_that_overlap(bench, tmp_path):
    actions.many_segments(bench)
    place = tmp_path / "many.seg.nrrd"
    heard = measured(bench, "export of many", actions.export(bench, "Slicer segmentation", place))
    assert heard == {} and place.is_file()


def test_a_check_of_61_structures_is_drawn_a_few_at_a_time(application, tmp_path):
    with new_drr_bench(application, tmp_path) as bench:
        image = actions.checked_image(bench, 512)
        update = cost_of_an_update(bench.scene)
        with Announcements(bench.scene) as announced:
            taken = cost(application, *actions.check(bench, image))
        within("check", taken, update)
        assert bench.ui.diceTable.rowCount == actions.MANY
        assert announced.heard["NodeAdded"] == 3
        # A modification for as many as fit into a slice of 30 ms, not one each.
        assert 1 <= announced.heard["SegmentAdded"] <= actions.MANY // 2


def test_an_update_of_an_empty_segment_is_one_event_of_each_kind(bench):
    from FluoroSAMSlicerLib.anatomy import resolve
    from FluoroSAMSlicerLib.mrml import segmentation_node, set_segment

    image = image_node(bench.scene)
    node = segmentation_node(bench.scene, image, "masks")
    nothing = np.zeros((120, 90), bool)
    set_segment(node, image, resolve("heart"), nothing, {})
    with Announcements(bench.scene) as announced:
        set_segment(node, image, resolve("heart"), nothing, {f"tag{number}": number for number in range(26)})
    assert announced.heard == {"SegmentModified": 1, "RepresentationModified": 1}
