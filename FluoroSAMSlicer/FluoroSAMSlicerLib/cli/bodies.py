"""CTs and label maps as they are given on the command line: the options that every verb reads them with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from .failures import Failure


class Rescale(click.ParamType):
    """Slope and intercept that make HU of a file's values, from "1,-1024"."""

    name = "slope,intercept"

    def convert(self, value, param, ctx) -> tuple[float, float]:
        if isinstance(value, tuple):
            return value
        try:
            slope, intercept = (float(part) for part in value.split(","))
        except ValueError:
            self.fail(f"{value!r} is no SLOPE,INTERCEPT such as 1,-1024", param, ctx)
        if not abs(slope) > 0 or not abs(slope) < 1e9 or not abs(intercept) < 1e9:
            self.fail("the slope must be a number other than 0", param, ctx)
        return slope, intercept


def ct_options(command):
    """--series, --any-modality and --rescale, as `CTVolume.read` takes them."""
    for option in (
        click.option(
            "--rescale", type=Rescale(), metavar="SLOPE,INTERCEPT", help="Makes HU of the CT's values."
        ),
        click.option("--any-modality", is_flag=True, help="Take DICOM that is no CT; its values must be HU."),
        click.option(
            "--series", metavar="UID", help="Which series of a DICOM folder; the end of its UID is enough."
        ),
    ):
        command = option(command)
    return command


def pairs(cts: Sequence[Path], labels: Sequence[Path]) -> list[tuple[Path, Path]]:
    """Each CT with its label map, in the order given; click.UsageError if their numbers differ."""
    if len(cts) != len(labels):
        raise click.UsageError(f"{len(cts)} CT and {len(labels)} --labels were given; every CT needs its own")
    return list(zip(cts, labels, strict=True))


def names_file(labels: Path, names: Path | None) -> Path:
    """Where the names of the label values stand: ``names``, or a table beside the label map. Raises Failure."""
    from ..dataset.label_names import names_beside

    found = names or names_beside(labels)
    if found is None:
        raise Failure(f"{labels}: the names of its labels are not known; give them by --names")
    return found


def labels_of(labels: Path, names: Path | None, grid):
    """The label map (LabelVolume) and the label values by structure, of all that `fluorosam synthesize` reads.

    Labels that do not overlap keep their own grid; others are brought onto ``grid``, the CT's.
    """
    from ..dataset.layers import merged, read_layers
    from ..drr import LabelVolume

    layers = list(read_layers(labels, names))
    if len(layers) == 1:
        (layer,) = layers
        own = layer.grid
        return LabelVolume(layer.labels, own.origin, own.spacing, own.direction), layer.structures
    return merged(layers, grid, str(labels))
