"""Which images a set consists of: every pose and exposure, drawn from the seed, before any CT is read."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .errors import DatasetError
from .settings import SetSettings, Span, voltages


@dataclass(frozen=True)
class PlannedImage:
    """One image to be made.

    number: in the set, from 0; images take turns through the CTs. ct: the CT's place and ``name`` among the
    sources, index: the image's number among those of its CT. entropy: seeds what is random in the
    rendering. aim: 0 to 1, picks the structure at the isocentre from the alphabetic list of the CT's;
    jitter_mm: (x, y, z) shift of the isocentre, LPS. The rest as in SetSettings.
    """

    number: int
    ct: int
    name: str
    index: int
    split: str
    entropy: tuple[int, int, int]
    lao_deg: float
    cra_deg: float
    rotation_deg: float
    sdd_mm: float
    sid_mm: float
    detector_mm: float
    aim: float
    jitter_mm: tuple[float, float, float]
    kilovolts: int
    dose_ugy: float
    scatter_per_cm: float
    mtf50_per_mm: float
    tools: int


class Plan(Sequence):
    """All images of a set by number; each is drawn when asked for and depends on nothing but the seed, the
    CT's name and its own index there, so that plans of any size take no memory."""

    def __init__(self, names: Sequence[str], splits: Sequence[str], settings: SetSettings):
        self.names, self.splits, self.settings = tuple(names), tuple(splits), settings

    def __len__(self) -> int:
        return self.settings.count

    def __getitem__(self, number):
        if isinstance(number, slice):
            return [self[one] for one in range(*number.indices(len(self)))]
        number = range(len(self))[number]
        index, ct = divmod(number, len(self.names))
        return self._drawn(number, ct, index)

    def numbers(self, ct: int) -> range:
        """The numbers of the images of one CT."""
        return range(ct, len(self), len(self.names))

    def _drawn(self, number: int, ct: int, index: int) -> PlannedImage:
        wanted = self.settings
        entropy = (wanted.seed, zlib.crc32(self.names[ct].encode()), index)
        rng = np.random.default_rng(entropy)
        drawn = {
            name: round(_draw(rng, getattr(wanted, name)), 3)
            for name in ("lao_deg", "cra_deg", "rotation_deg", "sdd_mm", "sid_mm", "detector_mm")
        }
        jitter = rng.uniform(-1, 1, 3) * wanted.jitter_mm
        known = voltages(wanted.kilovolts)
        return PlannedImage(
            number=number,
            ct=ct,
            name=self.names[ct],
            index=index,
            split=self.splits[ct],
            entropy=entropy,
            **drawn,
            aim=float(rng.random()),
            jitter_mm=tuple(jitter.round(3).tolist()),
            kilovolts=known[int(rng.integers(len(known)))],
            dose_ugy=float(f"{np.exp(_draw(rng, _logarithm(wanted.dose_ugy))):.4g}"),
            scatter_per_cm=round(_draw(rng, wanted.scatter_per_cm), 4),
            mtf50_per_mm=round(_draw(rng, wanted.mtf50_per_mm), 4),
            tools=int(rng.integers(wanted.tools + 1)),
        )


def plan(sources: Sequence, settings: SetSettings) -> Plan:
    """The images of a set over ``sources`` (:class:`CTSource` or :class:`LabelledCT`), a sequence of PlannedImage.

    Raises DatasetError where more images are wanted than differ from each other.
    """
    if not sources:
        raise DatasetError("no CT was given; a training set needs at least one with labels")
    pose = ("lao_deg", "cra_deg", "rotation_deg", "sdd_mm", "sid_mm")
    fixed = not any(isinstance(getattr(settings, name), tuple) for name in pose)
    if fixed and settings.jitter_mm == 0 and settings.aim == "centre" and settings.count > len(sources):
        raise DatasetError(
            "nothing varies: every image of a CT would be the same view; give a range for the angles, a jitter of the"
            f" isocentre, or ask for no more than {len(sources)} images"
        )
    return Plan([source.name for source in sources], split(sources, settings), settings)


def split(sources: Sequence, settings: SetSettings) -> tuple[str, ...]:
    """ "train" or "val" for each source: by patient, never by image; at least one of each from two patients on.

    Who goes where depends on the seed and the patients' names alone.
    """
    patients = [source.patient or source.name for source in sources]
    different = sorted(set(patients), key=lambda name: (zlib.crc32(f"{settings.seed} {name}".encode()), name))
    count = round(settings.validation * len(different))
    if settings.validation > 0 and len(different) > 1:
        count = min(max(count, 1), len(different) - 1)
    chosen = set(different[:count]) if len(different) > 1 else set()
    return tuple("val" if patient in chosen else "train" for patient in patients)


def _draw(rng: np.random.Generator, span: Span) -> float:
    return float(rng.uniform(*span)) if isinstance(span, tuple) else span


def _logarithm(span: Span) -> Span:
    return tuple(np.log(span).tolist()) if isinstance(span, tuple) else float(np.log(span))
