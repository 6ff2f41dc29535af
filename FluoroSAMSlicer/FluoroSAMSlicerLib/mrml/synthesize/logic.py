"""X-ray images from the CTs of a scene: what the Synthesize tab does, for the panel and for scripts.

>>> logic = Logic(slicer.mrmlScene)
>>> ct, labels = slicer.util.getNode("chest CT"), slicer.util.getNode("total segmentation")
>>> view = logic.presetView("chest PA", ct, labels)
>>> image = logic.render(ct, labels, replace(view, primary_deg=30))     # LAO 30; dataclasses.replace
>>> logic.truthFor(image)                                # the segmentation with the true masks
>>> for row in logic.dice(image):
...     print(row.structure, row.dice)
>>> settings = logic.setSettings(count=200, lao_deg=(-30, 30), kilovolts=(60, 120), seed=1)
>>> report = logic.generate([(ct, labels)], settings, "/data/set")      # the same call again goes on with it

A user interface splits `render` in three: a request is taken from the scene on the main thread, computed on a
worker, and its result applied on the main thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from ..errors import SceneError
from ..segment.job import Cancelled
from .check import CheckRequest, CheckResult, DiceRow, apply_answer, check_request, compute_check
from .job import PREVIEW, RENDER, SAMPLES, SET, Engine, Preview, RenderedView, Request, Samples
from .labels import (
    ESTIMATE,
    LABELS,
    LabelEngine,
    LabelRequest,
    LabelResult,
    add_labels,
    how_to_install,
    installed_label_models,
    label_request,
)
from .patient import LabelChoice, grid_of, index_to_world, label_choices, take_patient
from .region import fit_region
from .scene import add_rendered, geometry_of, truth_of
from .view import RAS_TO_LPS, ViewSettings, preset_names, preset_view

__all__ = [
    "Cancelled",
    "CheckResult",
    "Logic",
    "Request",
    "DiceRow",
    "LabelRequest",
    "LabelResult",
    "Preview",
    "RenderedView",
    "Samples",
    "ViewSettings",
]


class Logic:
    """``segment_logic()`` gives the Segment road's logic, whose model `dice` checks; default one of its own."""

    def __init__(self, scene, segment_logic: Callable | None = None) -> None:
        self.scene = scene
        self._engine, self._labels = Engine(), LabelEngine()
        self._segment_logic, self._own = segment_logic, None

    def close(self) -> None:
        """Let go of the CT and all caches."""
        self._engine.release()
        self._labels.release()

    @property
    def segmentLogic(self):
        if self._segment_logic is not None:
            return self._segment_logic()
        if self._own is None:
            from ..segment import logic as segment

            self._own = segment.Logic(self.scene)
        return self._own

    def structures(self, labelsNode) -> list[LabelChoice]:
        """The segments of a segmentation, or the labels of a label map."""
        return label_choices(labelsNode)

    def presets(self) -> tuple[str, ...]:
        return preset_names()

    def presetView(
        self, name: str, ctNode=None, labelsNode=None, view: ViewSettings | None = None
    ) -> ViewSettings:
        """A usual view by its name; about the middle of the CT if one is given, else where ``view`` is."""
        chosen = preset_view(name, view)
        return chosen if ctNode is None else self.centred(chosen, ctNode, labelsNode)

    def centred(self, view: ViewSettings, ctNode, labelsNode=None) -> ViewSettings:
        """The view about the middle of what is labelled, or of the CT without labels."""
        grid = grid_of(take_patient(ctNode).hu.shape, index_to_world(ctNode))
        middle = grid.centre * RAS_TO_LPS
        if labelsNode is not None:
            bounds = [0.0] * 6
            labelsNode.GetRASBounds(bounds)
            if all(low <= high for low, high in zip(bounds[::2], bounds[1::2], strict=True)):
                middle = [(low + high) / 2 for low, high in zip(bounds[::2], bounds[1::2], strict=True)]
        return replace(view, isocentre=tuple(round(float(mm), 1) for mm in middle))

    def previewRequest(self, ctNode, view: ViewSettings) -> Request:
        """A small image of the view, without labels and noise."""
        view.preview()
        return Request(PREVIEW, "Preview", (take_patient(ctNode),), view)

    def renderRequest(
        self, ctNode, labelsNode, view: ViewSettings, segments: Iterable[str] | None = None
    ) -> Request:
        """The image of a view with masks of the segments with these ids, default all. Raises SceneError, DRRError."""
        view.geometry(), view.exposure()
        patient = take_patient(ctNode, labelsNode, segments)
        return Request(RENDER, f"Rendering {patient.name}", (patient,), view)

    def samplesRequest(self, pairs: Sequence, settings, count: int = 6, segments=None) -> Request:
        """A few images of the set that the settings describe, at a small size."""
        return Request(SAMPLES, "Samples", self._patients(pairs, segments), None, settings, count)

    def setRequest(self, pairs: Sequence, settings, folder: str | Path, segments=None) -> Request:
        """A whole set. ``pairs``: (CT volume, segmentation or label map), each one CT of the set.

        segments: ids of those wanted, default all; only for a single pair. Raises SceneError.
        """
        if not str(folder).strip():
            raise SceneError("Choose a folder for the set first.")
        patients = self._patients(pairs, segments)
        return Request(SET, "Training set", patients, None, settings, folder=Path(folder).expanduser())

    def labelModels(self) -> tuple[str, ...]:
        """Names of the installed models that find structures in a CT."""
        return installed_label_models()

    def labelRequest(
        self, ctNode, names: str, model: str = "", plan: str = "exact", roiNode=None, estimate: bool = False
    ) -> LabelRequest:
        """Find structures of a CT by their names, parted by commas; ``model`` by default the first installed.

        ``plan`` is "exact" or "fast"; with ``roiNode``, a markups ROI, only that box is looked at. With ``estimate``
        the result is what the search will take, a `segmentation.Estimate`. Raises SceneError, SatError, AnatomyError.
        """
        chosen = model or next(iter(self.labelModels()), "")
        if not chosen:
            raise SceneError(how_to_install())
        return label_request(ctNode, names, chosen, plan, roiNode, ESTIMATE if estimate else LABELS)

    def label(self, ctNode, names: str, model: str = "", plan: str = "exact", roiNode=None):
        """Find structures of a CT by their names; the segmentation node that holds them, ready for `render`."""
        request = self.labelRequest(ctNode, names, model, plan, roiNode)
        return self.apply(request, self.compute(request))

    def fitRegion(self, roiNode, ctNode) -> None:
        """Put a new region of interest around all of the CT."""
        fit_region(roiNode, ctNode)

    def checkRequest(self, volumeNode) -> CheckRequest:
        """Ask the model for every structure whose true mask a rendered image has."""
        return check_request(self.segmentLogic, volumeNode)

    def compute(self, request, cancelled=None, progress=None):
        """Do the work of a request, on any thread, without touching the scene.

        ``cancelled()`` is asked often; ``progress(fraction, text)`` hears how it goes. Raises Cancelled and what is
        in `USER_ERRORS`.
        """
        if isinstance(request, CheckRequest):
            return compute_check(self.segmentLogic, request, cancelled, progress)
        if isinstance(request, LabelRequest):
            return self._labels.compute(request, cancelled, progress)
        return self._engine.compute(request, cancelled, progress)

    def apply(self, request, result):
        """Put a result into the scene: the volume node of a RenderedView, the segmentation node of labels; of a
        check the segments, None."""
        if isinstance(result, RenderedView):
            return add_rendered(self.scene, result)
        if isinstance(result, LabelResult):
            return add_labels(self.scene, request, result)
        if isinstance(result, CheckResult):
            with self.together(result.answers):
                for answer in result.answers:
                    self.applyAnswer(answer)
        return None

    def together(self, answers):
        """A context in which those of ``CheckResult.answers`` that are put into the scene are announced at once."""
        return self.segmentLogic.together([request for request, _result in answers])

    def applyAnswer(self, answer) -> None:
        """Put one of ``CheckResult.answers`` into the scene."""
        apply_answer(self.segmentLogic, answer)

    def render(self, ctNode, labelsNode, view: ViewSettings, segments: Iterable[str] | None = None):
        """Render a view and add it to the scene; the volume node, which the Segment tab takes at once."""
        request = self.renderRequest(ctNode, labelsNode, view, segments)
        return self.apply(request, self.compute(request))

    def truthFor(self, volumeNode):
        """The segmentation with the true masks of a rendered image; None for another image."""
        return truth_of(volumeNode)

    def geometryOf(self, volumeNode) -> dict | None:
        """Angles, distances, positions (LPS mm) and projection matrix of a rendered image; None for another."""
        return geometry_of(volumeNode)

    def dice(self, volumeNode) -> list[DiceRow]:
        """Have the model find every structure of a rendered image, show its masks, and measure them."""
        request = self.checkRequest(volumeNode)
        result = self.compute(request)
        self.apply(request, result)
        return list(result.rows)

    def setSettings(self, count: int, **named):
        """`dataset.SetSettings`: numbers or ranges for angles, distances, kV, dose, tools. Raises DatasetError."""
        from ...dataset import SetSettings

        return SetSettings(count=count, **named)

    def samples(self, pairs: Sequence, settings, count: int = 6) -> Samples:
        """A few images of the set that the settings describe, at a small size."""
        return self.compute(self.samplesRequest(pairs, settings, count))

    def generate(self, pairs: Sequence, settings, folder: str | Path, progress=None, cancelled=None):
        """Write a training set; a `dataset.SetReport`. The same call goes on where an earlier one was stopped.

        The files are those that ``fluorosam synthesize --set`` writes for the same CTs, labels and settings.
        """
        return self.compute(self.setRequest(pairs, settings, folder), cancelled, progress)

    @staticmethod
    def _patients(pairs: Sequence, segments) -> tuple:
        if not pairs:
            raise SceneError("Choose a CT and its segmentation first.")
        for ct_node, labels_node in pairs:
            if ct_node is None:
                raise SceneError("Choose a CT first.")
            if labels_node is None:
                raise SceneError(
                    f"{ct_node.GetName()} has no labels. Choose its segmentation: a training set needs masks."
                )
        return tuple(take_patient(ct, labels, segments) for ct, labels in pairs)


def __getattr__(name: str):
    if name != "USER_ERRORS":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from ...dataset import DatasetError
    from ...drr import DRRError
    from ..segment.logic import USER_ERRORS

    return (*USER_ERRORS, DRRError, DatasetError)
