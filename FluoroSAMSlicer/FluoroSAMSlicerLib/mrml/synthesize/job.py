"""What the Synthesize tab computes, as plain requests that any thread can answer: previews, images, samples, sets."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import SceneError
from ..segment.job import Cancel, Cancelled, Progress
from .patient import TakenPatient
from .record import described, physics, progress_words
from .store import PatientStore
from .view import ViewSettings

if TYPE_CHECKING:
    from ...dataset import SetReport, SetSettings
    from ...drr import Projection

PREVIEW, RENDER, SAMPLES, SET = "preview", "render", "samples", "set"
SAMPLE_PIXELS = 160
PERCENTILES = (3.0, 99.5)
"""Of what the rays met: black and white of an image, as in a training set."""
OPEN_BEAM = 0.2
"""Attenuation below which a ray met next to nothing."""
_numbers = itertools.count(1)


@dataclass(frozen=True, eq=False)
class Request:
    """``kind`` is one of PREVIEW, RENDER, SAMPLES, SET; of requests with one ``slot`` only the newest waits.

    ``view`` is that of a preview or an image; ``settings`` are those of samples and sets; ``count`` samples are
    made; ``folder`` is where a set goes.
    """

    kind: str
    title: str
    patients: tuple[TakenPatient, ...]
    view: ViewSettings | None = None
    settings: SetSettings | None = None
    count: int = 0
    folder: Path | None = None
    id: int = field(default_factory=lambda: next(_numbers))

    @property
    def slot(self) -> str:
        return self.kind

    @property
    def patient(self) -> TakenPatient:
        return self.patients[0]


@dataclass(frozen=True, eq=False)
class Preview:
    """``grey`` is uint8 (H, W), bone bright. ``note`` says what is wrong with the picture, if anything is."""

    grey: np.ndarray
    seconds: float
    projector: str
    note: str = ""


@dataclass(frozen=True, eq=False)
class RenderedMask:
    """bool (H, W), the colour (RGB, 0 to 1) of its label, and the path length in mm that a pixel had to exceed."""

    mask: np.ndarray
    color: tuple[float, float, float]
    threshold_mm: float


@dataclass(frozen=True, eq=False)
class RenderedView:
    """``pixels`` float32 (H, W) in 0 to 1, bone bright; attenuation = window[0] + pixels * (window[1] - window[0])
    between the window's ends. ``masks`` by structure; ``geometry`` and ``physics`` as in a training set."""

    name: str
    pixels: np.ndarray
    window: tuple[float, float]
    pixel_mm: float
    masks: dict[str, RenderedMask]
    geometry: dict
    physics: dict
    view: ViewSettings
    seconds: float
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Samples:
    """``pictures`` are uint8 (H, W, 3): images of a set, the structure that each is aimed at tinted."""

    pictures: tuple[np.ndarray, ...]
    captions: tuple[str, ...]


class Engine:
    """Answers requests; may be called by several threads at a time."""

    def __init__(self) -> None:
        self._store = PatientStore()

    def release(self) -> None:
        self._store.forget()

    def compute(self, request: Request, cancelled: Cancel | None = None, progress: Progress | None = None):
        """Preview, RenderedView, Samples or SetReport. Raises Cancelled, SceneError, DRRError and DatasetError."""
        cancelled, progress = cancelled or (lambda: False), progress or (lambda fraction, text: None)
        if cancelled():
            raise Cancelled("The computation was cancelled.")
        work = {PREVIEW: self._preview, RENDER: self._render, SAMPLES: self._samples, SET: self._set}[
            request.kind
        ]
        try:
            return work(request, cancelled, progress)
        except MemoryError as error:
            raise SceneError(
                "There is not enough memory. Close other volumes, choose fewer structures or a coarser detector."
            ) from error

    def _preview(self, request: Request, cancelled: Cancel, progress: Progress) -> Preview:
        from ...drr import project

        started = time.perf_counter()
        geometry = request.view.preview()
        if not self._store.holds(request.patient):
            progress(0.0, "Reading the CT")
        ct = self._store.small_ct(request.patient)
        projection = project(ct, geometry, projector="preview")
        note = (
            ""
            if projection.line_integral.any()
            else "No ray meets the CT. Move the isocentre into the patient."
        )
        seconds = time.perf_counter() - started
        grey = np.rint(255 * windowed(projection.line_integral)[0]).astype(np.uint8)
        return Preview(grey, seconds, projection.projector, note)

    def _render(self, request: Request, cancelled: Cancel, progress: Progress) -> RenderedView:
        from ...drr import expose, project

        started = time.perf_counter()
        view, patient = request.view, request.patient
        geometry, exposure = view.geometry(), view.exposure()
        progress(0.05, "Reading the CT")
        ct = self._store.ct(patient)
        subject, notes = None, ()
        if patient.layers:
            progress(0.15, "Reading the labels")
            subject, notes = self._store.labelled(patient)
        self._check(cancelled)
        progress(0.4, "Projecting")
        projection = project(ct, geometry, materials=True, **_labels(subject))
        if not projection.line_integral.any():
            raise SceneError(
                "No ray meets the CT: the image would be empty. Move the isocentre into the patient."
            )
        self._check(cancelled)
        progress(0.75, "Exposing")
        xray = expose(projection, exposure, np.random.default_rng(view.seed))
        pixels, window = windowed(xray.line_integral)
        progress(0.85, "Drawing the masks")
        masks = _masks(subject, patient, projection) if subject else {}
        if subject is None:
            notes = (*notes, "No labels were chosen: the image has no masks.")
        elif not masks:
            notes = (*notes, "None of the chosen structures is in view.")
        return RenderedView(
            f"{patient.name} {view.words}",
            pixels,
            window,
            view.pixel_mm,
            masks,
            described(view, geometry),
            physics(view, exposure),
            view,
            time.perf_counter() - started,
            notes,
        )

    def _samples(self, request: Request, cancelled: Cancel, progress: Progress) -> Samples:
        from ...dataset import plan, render

        subjects = [self._labelled(patient)[0] for patient in request.patients]
        planned = plan(subjects, request.settings)
        small = request.settings.resized(SAMPLE_PIXELS)
        chosen = np.unique(np.linspace(0, len(planned) - 1, min(request.count, len(planned))).astype(int))
        pictures, captions = [], []
        for done, number in enumerate(chosen.tolist()):
            self._check(cancelled)
            progress(done / len(chosen), f"Sample {done + 1} of {len(chosen)}")
            one = planned[number]
            image = render(subjects[one.ct], one, small)
            aimed = next((mask.mask for mask in image.masks if mask.structure == image.aim), None)
            pictures.append(tinted(image.display, aimed))
            view = ViewSettings(one.lao_deg, one.cra_deg)
            captions.append(f"{image.aim or 'centre'}: {_rounded(view).words}, {one.kilovolts} kV")
        return Samples(tuple(pictures), tuple(captions))

    def _set(self, request: Request, cancelled: Cancel, progress: Progress) -> SetReport:
        from ...dataset import in_this_process, write_set
        from ...drr import CTVolume

        progress(0.0, "Reading the CT")
        sources = []
        for patient in request.patients:
            subject, _ = self._labelled(patient)
            ct = subject.ct
            # A set that is under way must not follow what the user does to the volume meanwhile.
            own = CTVolume(np.array(ct.hu), ct.origin, ct.spacing, ct.direction)
            sources.append(replace(subject, ct=own))

        def tell(state) -> None:
            progress(state.done / max(state.total, 1), progress_words(state))

        self._check(cancelled)
        return write_set(
            sources, request.settings, request.folder, in_this_process, None, tell, cancelled, workers=1
        )

    def _labelled(self, patient: TakenPatient):
        return self._store.labelled(patient)

    @staticmethod
    def _check(cancelled: Cancel) -> None:
        if cancelled():
            raise Cancelled("The computation was cancelled.")


def windowed(attenuation: np.ndarray) -> tuple[np.ndarray, tuple[float, float]]:
    """Attenuation (H, W) as float32 in 0 to 1 between two percentiles of what the rays met, and those two."""
    met = attenuation[attenuation > OPEN_BEAM]
    low, high = (float(value) for value in np.percentile(met if met.size else attenuation, PERCENTILES))
    high = max(high, low + 1e-3)
    return ((attenuation - low) / (high - low)).clip(0, 1).astype(np.float32), (low, high)


def tinted(grey: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
    """A picture (H, W, 3) uint8 of a grey image with a mask tinted."""
    picture = np.repeat(grey[:, :, None], 3, axis=2)
    if mask is not None:
        picture[mask] = (0.72 * picture[mask] + 0.28 * np.array([60, 220, 90])).astype(np.uint8)
    return picture


def _labels(subject) -> dict:
    if subject is None:
        return {}
    values = sorted({value for own in subject.structures.values() for value in own})
    return {"labels": subject.labels, "label_values": values}


def _masks(subject, patient: TakenPatient, projection: Projection) -> dict[str, RenderedMask]:
    """The masks that a set would give the view."""
    from ...dataset import SetSettings
    from ...dataset.rendering import structure_masks

    plain = (0.8, 0.8, 0.8)
    return {
        one.structure: RenderedMask(one.mask, patient.colors.get(one.structure, plain), one.threshold_mm)
        for one in structure_masks(subject, projection, SetSettings(count=1))
    }


def _rounded(view: ViewSettings) -> ViewSettings:
    return replace(
        view, primary_deg=float(round(view.primary_deg)), secondary_deg=float(round(view.secondary_deg))
    )
