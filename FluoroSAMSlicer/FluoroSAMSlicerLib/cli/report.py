"""What is told about one segmented image: as JSON, and as lines on the terminal."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from .. import __version__
from .prompts import StructurePrompts

if TYPE_CHECKING:
    from ..radiograph import Radiograph
    from ..segmentation import Prediction, Predictor


@dataclass(frozen=True, eq=False)
class Finding:
    """One structure of one image: what was asked, what came out, how long it took."""

    asked: StructurePrompts
    prediction: Prediction
    seconds: float

    @property
    def box(self) -> list[int] | None:
        """First and last column and row of the mask, x1, y1, x2, y2; None if it is empty."""
        mask = self.prediction.mask
        (columns,), (rows,) = mask.any(axis=0).nonzero(), mask.any(axis=1).nonzero()
        if not rows.size:
            return None
        return [int(columns[0]), int(rows[0]), int(columns[-1]), int(rows[-1])]

    @property
    def pixels(self) -> int:
        return int(self.prediction.mask.sum())


@dataclass(eq=False)
class ImageReport:
    """Everything about one image; ``seconds`` and ``files`` grow as the work goes on."""

    image: Path
    radiograph: Radiograph
    predictor: Predictor
    findings: list[Finding] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    files: dict[str, Path] = field(default_factory=dict)

    @property
    def notes(self) -> list[str]:
        """What the user should know of how the masks were made, each once."""
        notes = (note for f in self.findings for note in (*f.asked.understood, *f.prediction.notes))
        return list(dict.fromkeys(notes))

    def to_dict(self) -> dict:
        """Plain values for JSON: pixels, mm and mm2, seconds; frames from 1; file names relative to the report."""
        radiograph, provenance = self.radiograph, self.predictor.provenance
        height, width = radiograph.pixels.shape
        return {
            "image": str(self.image),
            "frame": radiograph.frame + 1,
            "frame_count": radiograph.frame_count,
            "modality": radiograph.modality,
            "size": [width, height],
            "spacing_mm": None
            if radiograph.spacing is None
            else [float(side) for side in radiograph.spacing],
            "spacing_source": radiograph.spacing_source,
            "notes": [*radiograph.notes, *self.notes],
            "model": {
                "name": provenance.name,
                "version": self.predictor.version,
                "licence": provenance.licence,
                "source": provenance.source,
                "device": str(self.predictor.device),
            },
            "program": {"name": "FluoroSAMSlicer", "version": __version__},
            "structures": [self._structure(finding) for finding in self.findings],
            "files": {kind: path.name for kind, path in self.files.items()},
            "seconds": {step: round(value, 4) for step, value in self.seconds.items()},
        }

    def _structure(self, finding: Finding) -> dict:
        asked, structure = finding.asked, finding.asked.structure
        area = self._area(finding)
        return {
            "typed": asked.typed,
            "name": structure.name,
            "corrections": [list(pair) for pair in asked.corrections],
            "part_of": structure.part_of or None,
            "members": list(structure.members),
            "terminology": structure.terminology,
            "points": [[x, y, label] for (x, y), label in zip(asked.points, asked.labels, strict=True)],
            "points_missed": list(finding.prediction.missed),
            "prompt_box": None if asked.box is None else list(asked.box),
            "score": round(float(finding.prediction.score), 4),
            "area_px": finding.pixels,
            "area_mm2": None if area is None else round(area, 2),
            "box": finding.box,
            "seconds": round(finding.seconds, 4),
        }

    def _area(self, finding: Finding) -> float | None:
        """mm2 in the plane that the spacing holds for."""
        spacing = self.radiograph.spacing
        return None if spacing is None else finding.pixels * float(spacing[0]) * float(spacing[1])

    def lines(self) -> list[str]:
        """The report for a terminal."""
        from ..segmentation.prompt import LOW_SCORE

        radiograph = self.radiograph
        height, width = radiograph.pixels.shape
        spacing = "pixel spacing unknown"
        if radiograph.spacing is not None:
            x, y = radiograph.spacing
            spacing = f"{x:.3g} mm" if abs(x - y) < 1e-6 * x else f"{x:.3g} x {y:.3g} mm"
            spacing += f" a pixel ({radiograph.spacing_source})"
        frames = (
            f", frame {radiograph.frame + 1} of {radiograph.frame_count}" if radiograph.frame_count > 1 else ""
        )
        lines = [f"{self.image}: {width} x {height} pixels{frames}, {spacing}"]
        longest = max((len(finding.asked.label) for finding in self.findings), default=0)
        for finding in self.findings:
            area = self._area(finding)
            size = f"{finding.pixels} px" if area is None else f"{finding.pixels} px  {area / 100:8.1f} cm2"
            score = finding.prediction.score
            unsure = "  unsure" if score < LOW_SCORE else ""
            result = f"score {score:.2f}  {size}" if finding.pixels else "nothing found"
            name = finding.asked.label
            lines.append(f"  {name:{longest}}  {result}  {finding.seconds:.2f} s{unsure if finding.pixels else ''}")
            for index in finding.prediction.missed:
                x, y = finding.asked.points[index]
                lines.append(f"    the click at {x:g}, {y:g} could not be satisfied together with the others")
        turned = [note for note in radiograph.notes if note.startswith("turned")]
        lines += [f"  note: {note}" for note in (*turned, *self.notes)]
        lines += [f"  {kind:12}  {path}" for kind, path in self.files.items()]
        lines.append("  " + ", ".join(f"{step} {value:.2f} s" for step, value in self.seconds.items()))
        return lines
