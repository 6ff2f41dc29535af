"""What the main thread does for an action of the user: processor time of its turns, and what the scene announces."""

from __future__ import annotations

import gc
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import slicer
import vtk

LIMIT_S = 120.0


@dataclass(frozen=True)
class Cost:
    """Milliseconds of the main thread's own processor time: that of the whole action, and of its longest turn of
    the event loop, during which nothing is drawn and no key is heard. Waiting and other threads do not count."""

    total_ms: float
    longest_ms: float
    turns: int


def cost(application, action: Callable[[], object], busy: Callable[[], bool]) -> Cost:
    """Do ``action``, then run the event loop as long as ``busy()``, and a few turns more."""
    turns: list[float] = []

    def turn(work: Callable[[], object]) -> None:
        start = time.thread_time()
        work()
        turns.append(1000 * (time.thread_time() - start))

    # What the process has piled up before would be gone through by the garbage collector again and again.
    gc.collect()
    gc.freeze()
    turn(action)
    end, more = time.monotonic() + LIMIT_S, 5
    while (working := busy()) or more:
        assert time.monotonic() < end, "the background did not finish"
        turn(application.processEvents)
        more = 5 if working else more - 1
    gc.unfreeze()
    return Cost(sum(turns), max(turns), len(turns))


def cost_of_an_update(scene, repeats: int = 7) -> float:
    """Milliseconds that one update of an empty segment takes, the median of several: the measure of a machine."""
    from FluoroSAMSlicerLib.mrml import segmentation_node, set_segment
    from FluoroSAMSlicerLib.mrml.nodes.naming import structure_for
    from mrml.bench import image_node

    image = image_node(scene, name="measure")
    node = segmentation_node(scene, image, "measure")
    nothing, taken = np.zeros((120, 90), bool), []
    for _ in range(repeats + 1):
        start = time.thread_time()
        set_segment(node, image, structure_for("heart"), nothing, {})
        taken.append(1000 * (time.thread_time() - start))
    for one in (node, image):
        scene.RemoveNode(one)
    return float(np.median(taken[1:]))


@dataclass
class Announcements:
    """Events of a scene, of its segmentations and of their displays, counted by name while it is in use.

    In Slicer each of them makes views, tables and selectors look anew.
    """

    scene: object
    heard: Counter = field(default_factory=Counter)
    _kept: list = field(default_factory=list)

    def __enter__(self) -> Announcements:
        kind = slicer.vtkMRMLScene
        for name in ("NodeAdded", "NodeRemoved"):
            self._hear(self.scene, getattr(kind, f"{name}Event"), name)
        self._observe(self.scene, kind.NodeAddedEvent, self._onNode)
        for number in range(self.scene.GetNumberOfNodes()):
            self._watch(self.scene.GetNthNode(number))
        return self

    def __exit__(self, *_) -> None:
        for subject, tag in self._kept:
            subject.RemoveObserver(tag)
        self._kept.clear()

    def _onNode(self, *_) -> None:
        self._watch(self.scene.GetNthNode(self.scene.GetNumberOfNodes() - 1))

    def _watch(self, node) -> None:
        if isinstance(node, slicer.vtkMRMLSegmentationNode):
            kind = slicer.vtkSegmentation
            for name in ("SegmentAdded", "SegmentRemoved", "SegmentModified", "RepresentationModified"):
                self._hear(node, getattr(kind, name), name)
        elif isinstance(node, slicer.vtkMRMLSegmentationDisplayNode):
            self._hear(node, vtk.vtkCommand.ModifiedEvent, "DisplayModified")

    def _hear(self, subject, event, name: str) -> None:
        self._observe(subject, event, lambda *_: self.heard.update([name]))

    def _observe(self, subject, event, callback) -> None:
        self._kept.append((subject, subject.AddObserver(event, callback)))
