"""What a training set shall contain: how many images, from where, with which beam, in which form."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from ..drr import KILOVOLTS
from .errors import DatasetError
from .label_names import check_name, structure_name
from .masks import MaskRule

Span = float | tuple[float, float]
"""One number that stays, or a range (low, high) from which every image draws its own."""

FORMATS = ("files", "webdataset")
AIMS = ("structures", "centre")

_WORDS = {
    "lao_deg": "the LAO/RAO angle",
    "cra_deg": "the CRA/CAU angle",
    "rotation_deg": "the rotation in the image plane",
    "sdd_mm": "the source-detector distance",
    "sid_mm": "the source-isocentre distance",
    "detector_mm": "the side of the detector",
    "kilovolts": "the tube voltage",
    "dose_ugy": "the dose at the detector",
    "scatter_per_cm": "the scatter ratio",
    "mtf50_per_mm": "the detector's resolution",
}
_LIMITS = {
    "lao_deg": (-180, 180),
    "cra_deg": (-90, 90),
    "rotation_deg": (-180, 180),
    "sdd_mm": (100, 10_000),
    "sid_mm": (50, 10_000),
    "detector_mm": (10, 2000),
    "kilovolts": (10, 150),
    "dose_ugy": (1e-4, 1e4),
    "scatter_per_cm": (0, 10),
    "mtf50_per_mm": (0, 100),
}


@dataclass(frozen=True)
class SetSettings:
    """Everything that decides what the images are, the CTs apart; equal settings give equal files.

    count: images in all, spread evenly over the CTs. seed: of every random choice.
    size: pixels (W, H), or one number for both.
    lao_deg, cra_deg: DICOM angles, LAO and CRA positive. rotation_deg: of the detector about the central ray.
    sdd_mm, sid_mm: source to detector and to isocentre. detector_mm: width of the detector.
    aim: "structures" puts the isocentre at the centre of a random structure, "centre" in the middle of
        what is labelled. jitter_mm: largest shift of the isocentre along each axis.
    kilovolts: tube voltage; a range takes whole numbers for which a spectrum is known.
    dose_ugy: air kerma of the open beam at the detector in microgray, drawn evenly on a logarithmic scale; 2.5 is
        a radiograph, 0.02 to 0.1 a fluoroscopy frame.
    scatter_per_cm: scatter-to-primary ratio a cm of water before an anti-scatter grid; 0 for none.
    mtf50_per_mm: line pairs / mm at which the detector passes half of the contrast; 0 for a sharp one.
    tools: largest number of instruments and implants in an image; 0 for none.
    threshold_mm: a pixel belongs to a structure when its ray runs longer than this through it; a structure
        nowhere ``threshold_mm / thin_share`` thick counts from ``thin_share`` of its longest path on, a lung as
        far as radiographs show it (:class:`MaskRule`). thresholds: (structure, mm) where one has its own.
    smallest_pixels: a smaller mask is left out.
    validation: share of the patients whose images are for validation only.
    form: "files" or "webdataset"; shard_images: images in a WebDataset archive.

    Raises DatasetError for ranges without extent or beyond what a C-arm can do.
    """

    count: int
    seed: int = 0
    size: int | tuple[int, int] = 512
    lao_deg: Span = (-45.0, 45.0)
    cra_deg: Span = (-25.0, 25.0)
    rotation_deg: Span = 0.0
    sdd_mm: Span = (1000.0, 1200.0)
    sid_mm: Span = (600.0, 800.0)
    detector_mm: Span = (300.0, 400.0)
    aim: str = "structures"
    jitter_mm: float = 30.0
    kilovolts: Span = (60.0, 120.0)
    dose_ugy: Span = (0.05, 5.0)
    scatter_per_cm: Span = (0.05, 0.2)
    mtf50_per_mm: Span = 1.2
    tools: int = 0
    threshold_mm: float = 2.0
    thin_share: float = 0.25
    thresholds: tuple[tuple[str, float], ...] = ()
    smallest_pixels: int = 12
    validation: float = 0.2
    form: str = "files"
    shard_images: int = 200

    def __post_init__(self):
        size = (self.size, self.size) if isinstance(self.size, int) else tuple(self.size)
        object.__setattr__(self, "size", size)
        for name, lowest in (
            ("count", 1),
            ("seed", 0),
            ("tools", 0),
            ("smallest_pixels", 1),
            ("shard_images", 1),
        ):
            _whole(getattr(self, name), lowest, name)
        if len(size) != 2:
            raise DatasetError(f"size must be one number of pixels or two, not {self.size!r}")
        for pixels in size:
            _whole(pixels, 16, "size", 8192)
        for name, words in _WORDS.items():
            object.__setattr__(self, name, _span(getattr(self, name), words, *_LIMITS[name]))
        if low(self.sdd_mm) <= high(self.sid_mm):
            raise DatasetError(
                f"the detector would stand before the isocentre: the source-detector distance (from"
                f" {low(self.sdd_mm):g} mm) must exceed the source-isocentre distance (up to"
                f" {high(self.sid_mm):g} mm); raise the first or lower the second"
            )
        for name, largest in (("jitter_mm", 1000), ("threshold_mm", 1000), ("validation", 0.9)):
            _number(getattr(self, name), 0, largest, name)
        _number(self.thin_share, 0.01, 1, "thin_share")
        for name, known in (("form", FORMATS), ("aim", AIMS)):
            if getattr(self, name) not in known:
                raise DatasetError(f"{name} must be {' or '.join(known)}, not {getattr(self, name)!r}")
        own = []
        for structure, mm in self.thresholds:
            check_name(structure, "a threshold")
            own.append((structure_name(structure), _number(mm, 0, 1000, f"the threshold of {structure}")))
        object.__setattr__(self, "thresholds", tuple(sorted(own)))
        voltages(self.kilovolts)

    @property
    def mask_rule(self) -> MaskRule:
        """From which path length on a pixel belongs to a structure."""
        own = dict(self.thresholds)
        return MaskRule(self.threshold_mm, self.thin_share, own, smallest_pixels=self.smallest_pixels)

    def resized(self, size: int) -> SetSettings:
        """The same images with ``size`` pixels on the longer side, for a preview."""
        scale = size / max(self.size)
        return dataclasses.replace(self, size=tuple(max(16, round(pixels * scale)) for pixels in self.size))

    def to_json(self) -> dict:
        return {field.name: _plain(getattr(self, field.name)) for field in dataclasses.fields(self)}

    @classmethod
    def from_json(cls, content: dict) -> SetSettings:
        return cls(**{name: _frozen(value) for name, value in content.items()})


def low(span: Span) -> float:
    return span[0] if isinstance(span, tuple) else span


def high(span: Span) -> float:
    return span[1] if isinstance(span, tuple) else span


def voltages(kilovolts: Span) -> tuple[int, ...]:
    """The tube voltages within a span for which a spectrum is known. Raises DatasetError if there is none."""
    known = tuple(number for number in KILOVOLTS if low(kilovolts) <= number <= high(kilovolts))
    if not known:
        raise DatasetError(
            f"no spectrum is known for {_shown(kilovolts)} kV; choose from {', '.join(map(str, KILOVOLTS))}"
        )
    return known


def _span(value, words: str, lowest: float, highest: float) -> Span:
    if not isinstance(value, (tuple, list)):
        return _number(value, lowest, highest, words)
    if len(value) != 2:
        raise DatasetError(f"{words} must be one number or a range of two, not {value!r}")
    first, last = (_number(end, lowest, highest, words) for end in value)
    if first > last:
        raise DatasetError(
            f"{words}: the range {first:g} to {last:g} runs backwards; give the lower end first"
        )
    if first == last:
        raise DatasetError(
            f"{words}: the range {first:g} to {last:g} has no extent; widen it, or give the one number"
            f" {first:g} to keep it fixed"
        )
    return first, last


def _number(value, lowest: float, highest: float, words: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not lowest <= value <= highest:
        raise DatasetError(f"{words} must be a number between {lowest:g} and {highest:g}, not {value!r}")
    return float(value)


def _whole(value, lowest: int, words: str, highest: int = 10**12) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not lowest <= value <= highest:
        raise DatasetError(f"{words} must be a whole number from {lowest} to {highest}, not {value!r}")


def _shown(span: Span) -> str:
    return f"{low(span):g}" if low(span) == high(span) else f"{low(span):g} to {high(span):g}"


def _plain(value):
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def _frozen(value):
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else value
