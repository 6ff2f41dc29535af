"""How the bundled models are made, as data: what `fluorosam train --recipe NAME` runs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from ..dataset import DatasetError
from ..dataset.quick import pack
from ..model import FluoroSAM, Provenance
from ..model.tokens import CompactTokenizer
from .course import Course, Training
from .export import export
from .exposures import ExposureStream
from .radiographs import RadiographReader
from .samples import SampleStream
from .streams import MixedStream


@dataclass(frozen=True)
class TrainingRecipe:
    """``bodies`` staged bodies a step with ``views`` exposures each, for the whole ``course``.

    Real radiographs, where there are any, take a ``radiographs`` share of the steps, ``pictures`` at a time.
    """

    course: Course
    bodies: int
    views: int
    radiographs: float = 0.15
    pictures: int = 12


RECIPES = {
    # Averages over 500 steps differ by 0.03 from one hour to the next; over 1,600 they are better by as much.
    "compact": TrainingRecipe(
        Course(steps=60_000, size=192, names_first=2400, fall=4000, average=0.9994), bodies=4, views=3
    ),
    "compact-fine": TrainingRecipe(
        Course(steps=20_000, size=256, rate=1e-3, names_first=0, fall=8000, average=0.999, seed=2),
        bodies=4,
        views=3,
    ),
}
"""``compact`` from ImageNet weights at 192 pixels; ``compact-fine`` goes on from it at 256."""


def packed_bodies(bodies: Path, folder: Path) -> Path:
    """The folder of packed bodies: ``bodies`` itself, or what is made of its labelled CTs in ``folder``."""
    if any(bodies.glob("*.npz")):
        return bodies
    if not any(folder.glob("*.npz")):
        pack(bodies, folder)
    return folder


def recipe_training(
    name: str, bodies: Path, folder: Path, device: str = "cpu", radiographs: Path | None = None,
    start: tuple[FluoroSAM, CompactTokenizer] | None = None, **changed,
) -> Training:  # fmt: skip
    """The training of a recipe in ``folder``, begun or gone on with; ``changed`` are fields of its course.

    ``bodies`` holds labelled CTs (see :func:`~..dataset.quick.pack`) or packed ones; ``radiographs`` is a manifest of
    real ones. Raises :class:`DatasetError` for a recipe that there is not, and for data at fault.
    """
    if name not in RECIPES:
        raise DatasetError(f"there is no recipe {name!r}; choose one of {', '.join(RECIPES)}")
    recipe = RECIPES[name]
    course = replace(recipe.course, **changed)
    packed = packed_bodies(bodies, folder / "bodies")
    stream = ExposureStream(packed, course.size, recipe.bodies, recipe.views, course.seed)
    if radiographs is not None:
        real = SampleStream(
            RadiographReader(radiographs), course.size, recipe.pictures, course.seed, stream.names
        )
        stream = MixedStream(stream, real, recipe.radiographs, course.seed)
    return Training(stream, folder, course, device, *(start or ()))


def export_training(training: Training, folder: Path, provenance: Provenance) -> Path:
    """Write the averaged weights as the model ``folder``, its text tower taught first where the names are new."""
    if training.course.language:
        training.teach_names()
    training.save()
    return export(training.folder, folder, provenance, training.config)
