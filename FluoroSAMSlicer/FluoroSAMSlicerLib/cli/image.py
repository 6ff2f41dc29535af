"""``fluorosam segment`` of one image: read and checked without a model, then segmented and written."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .output import staged, write_json, write_png
from .prompts import StructurePrompts
from .report import Finding, ImageReport

if TYPE_CHECKING:
    from ..radiograph import Radiograph
    from ..segmentation import Predictor


@dataclass(frozen=True, eq=False)
class ReadImage:
    """An image that can be segmented, and how long reading it took."""

    path: Path
    radiograph: Radiograph
    seconds: float


def read_image(
    path: Path, prompts: Sequence[StructurePrompts], frame: int = 0, invert: bool | None = None
) -> ReadImage:
    """``frame`` counts from 0. Raises RadiographError, and PromptError for a click or a box that is not on it."""
    from ..radiograph import read_radiograph

    clock = _Clock()
    radiograph = read_radiograph(path, frame=frame, invert=invert)
    check_places(prompts, radiograph)
    return ReadImage(path, radiograph, clock.lap())


def check_places(prompts: Sequence[StructurePrompts], radiograph: Radiograph) -> None:
    """Raise PromptError for a click or a box that is not on the image."""
    from ..segmentation import Prompt

    for asked in prompts:
        Prompt.of(None, asked.points, asked.labels, asked.box).check_inside(*radiograph.size)


def segment_image(
    image: ReadImage,
    stem: str,
    prompts: Sequence[StructurePrompts],
    predictor: Predictor,
    folder: Path,
    with_overlay: bool,
    with_json: bool,
) -> ImageReport:
    """Write the files of one image, which begin with ``stem``, all or none."""
    from ..mrml import write_segmentation
    from ..segmentation import PromptSession

    radiograph = image.radiograph
    report = ImageReport(image.path, radiograph, predictor, seconds={"read": image.seconds})
    if radiograph.frame_count > 1:
        stem = f"{stem}_frame{radiograph.frame + 1}"
    clock = _Clock()
    session = PromptSession(predictor, radiograph)
    report.seconds["encode"] = clock.lap()
    session.segment_all([asked.typed for asked in prompts])
    each = clock.lap() / max(1, len(prompts))
    for asked in prompts:
        report.findings.append(_find(session, asked, each))
    report.seconds["prompts"] = each * len(prompts) + clock.lap()
    with staged(folder) as stage:
        segments = [(f.asked.structure, f.prediction.mask, _tags(f)) for f in report.findings]
        write_segmentation(stage / f"{stem}.seg.nrrd", radiograph, segments)
        report.files["segmentation"] = folder / f"{stem}.seg.nrrd"
        report.seconds["write segmentation"] = clock.lap()
        if with_overlay:
            report.files["overlay"] = folder / f"{stem}.overlay.png"
            write_png(stage / f"{stem}.overlay.png", _picture(report))
            report.seconds["write overlay"] = clock.lap()
        if with_json:
            report.files["summary"] = folder / f"{stem}.json"
            write_json(stage / f"{stem}.json", report.to_dict())
    return report


def _find(session, asked: StructurePrompts, by_name: float) -> Finding:
    """The answer for one structure. ``by_name``: seconds that finding it by name took, its share of finding all."""
    clock = _Clock()
    name = asked.structure.name
    if asked.box is not None:
        session.set_box(name, asked.box)
    for (x, y), label in zip(asked.points, asked.labels, strict=True):
        session.click(name, x, y, positive=bool(label))
    prediction = session.result(name)
    # The full-size mask is made when first asked for; that is part of the answer.
    _ = prediction.mask
    return Finding(asked, prediction, by_name + clock.lap())


def _tags(finding: Finding) -> dict[str, object]:
    asked, prediction = finding.asked, finding.prediction
    signs = [
        f"{x:g},{y:g},{'+' if label else '-'}"
        for (x, y), label in zip(asked.points, asked.labels, strict=True)
    ]
    box = [] if asked.box is None else ["box " + ",".join(f"{value:g}" for value in asked.box)]
    return {
        "prompt": "; ".join([asked.typed, *box, *signs]),
        "score": float(prediction.score),
        "model": f"{prediction.model} {prediction.model_version}".strip(),
    }


def _picture(report: ImageReport):
    from ..segmentation.overlay import Layer, overlay

    layers = [
        Layer(
            finding.asked.label,
            finding.asked.structure.color,
            finding.prediction.mask,
            float(finding.prediction.score),
            finding.asked.points,
            finding.asked.labels,
            finding.asked.box,
        )
        for finding in report.findings
    ]
    return overlay(report.radiograph.pixels, layers, report.image.name, report.radiograph.spacing)


class _Clock:
    """Seconds since it was made or last read."""

    def __init__(self) -> None:
        self._last = time.perf_counter()

    def lap(self) -> float:
        now = time.perf_counter()
        seconds, self._last = now - self._last, now
        return seconds
