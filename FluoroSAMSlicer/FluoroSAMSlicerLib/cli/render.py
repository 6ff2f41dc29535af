"""``fluorosam render``: labelled X-ray images of a CT from chosen views."""

from __future__ import annotations

import dataclasses
import json
import math
import re
import time
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path

import click

from .bodies import ct_options, labels_of
from .failures import Failure
from .inputs import require
from .output import output_folder, staged, write_json, write_png

SIGNS = {"LAO": (1, 0), "RAO": (-1, 0), "CRA": (0, 1), "CAU": (0, -1)}
NAMED = {"PA": (0.0, 0.0), "AP": (180.0, 0.0), "LLAT": (90.0, 0.0), "RLAT": (-90.0, 0.0)}


@dataclass(frozen=True)
class ViewAngles:
    """A C-arm position as typed, with its DICOM primary (LAO +) and secondary (CRA +) angle in degrees.

    A view whose detector is behind the patient is hung as from the front: right side on the image's left.
    """

    typed: str
    primary: float
    secondary: float

    @property
    def name(self) -> str:
        """The view for file names: "lao30_cra10"."""
        return re.sub(r"[^a-z0-9.]+", "_", re.sub(r"([a-z]) +(?=[\d.])", r"\1", self.typed.lower())).strip(
            "_"
        )

    @property
    def mirrored(self) -> bool:
        return math.cos(math.radians(self.primary)) < -1e-9


class ViewType(click.ParamType):
    """ "LAO 30 CRA 10", "PA", "AP", "LLAT" (detector at the patient's left) or "RLAT"."""

    name = "view"

    def convert(self, value, param, ctx) -> ViewAngles:
        words = re.findall(r"[A-Z]+|[-+]?\d+(?:\.\d+)?|\S", value.upper())
        if len(words) == 1 and words[0] in NAMED:
            return ViewAngles(value, *NAMED[words[0]])
        angles = [0.0, 0.0]
        sides = words[::2]
        if not words or len(words) % 2 or len(words) > 4 or not set(sides) <= SIGNS.keys():
            self._refuse(value, param, ctx)
        for side, number in zip(sides, words[1::2], strict=True):
            try:
                degrees = float(number)
            except ValueError:
                self._refuse(value, param, ctx)
            angles = [angle + sign * degrees for angle, sign in zip(angles, SIGNS[side], strict=True)]
        if len({SIGNS[side][0] == 0 for side in sides}) < len(sides):
            self._refuse(value, param, ctx)
        return ViewAngles(value, *angles)

    def _refuse(self, value, param, ctx):
        self.fail(f'{value!r} is no view such as "LAO 30 CRA 10", "RAO 20", PA, AP, LLAT or RLAT', param, ctx)


@click.command(short_help="Labelled X-ray images of a CT from chosen views.")
@click.argument("ct", type=click.Path(path_type=Path))
@click.option(
    "--labels", metavar="LABELMAP", type=click.Path(path_type=Path),
    help="For masks beside the images: a label map, .seg.nrrd, DICOM SEG, or folder of masks.",
)  # fmt: skip
@click.option(
    "--names", metavar="FILE", type=click.Path(path_type=Path),
    help="What the labels are called: JSON, CSV, .ctbl, ITK-SNAP.",
)  # fmt: skip
@click.option(
    "--view", "views", multiple=True, required=True, type=ViewType(), help='Such as "LAO 30 CRA 10".'
)
@click.option("--output", required=True, metavar="DIR", type=click.Path(path_type=Path))
@click.option("--size", type=click.IntRange(16, 8192), default=768, show_default=True, help="Pixels a side.")
@click.option(
    "--field", type=click.FloatRange(1), help="Side of the field at the isocentre, mm.  [default: all]"
)
@click.option(
    "--sdd", type=click.FloatRange(1), default=1200.0, show_default=True, help="Source-detector, mm."
)
@click.option(
    "--sid", type=click.FloatRange(1), default=800.0, show_default=True, help="Source-isocentre, mm."
)
@ct_options
def render(ct, labels, names, views, output, size, field, sdd, sid, series, any_modality, rescale) -> None:
    """Project a CT, and its labels, from each --view.

    Writes per view a 16-bit PNG of line integrals, an 8-bit PNG for display (bone bright), one mask a
    structure and the geometry as JSON; with labels also manifest.jsonl, which `fluorosam evaluate` reads.
    """
    require(ct, labels, names)
    with output_folder(output) as folder:
        from ..drr import CTVolume, project

        volume = CTVolume.read(ct, series, any_modality, rescale)
        label_map, structures = (None, {}) if labels is None else labels_of(labels, names, volume.grid)
        stem = ct.name.split(".")[0]
        manifest = []
        with staged(folder) as stage:
            for view in views:
                begin = time.perf_counter()
                geometry = _geometry(volume, view, size, field, sdd, sid)
                projection = project(volume, geometry, labels=label_map)
                name = f"{stem}_{view.name}"
                entry = _write_view(stage, name, ct, view, projection, structures)
                manifest.append(entry)
                seconds = time.perf_counter() - begin
                click.echo(
                    f"{folder / entry['image']}: {len(entry['structures'])} structures, {seconds:.2f} s"
                )
            if labels is not None:
                lines = [json.dumps(entry, ensure_ascii=False) for entry in manifest]
                (stage / "manifest.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _geometry(volume, view: ViewAngles, size: int, field: float | None, sdd: float, sid: float):
    """The view about the middle of the volume; without ``field`` it shows all of the volume's longest side."""
    import numpy as np

    from ..drr import ProjectionGeometry

    grid = volume.grid
    if field is None:
        field = float(max(np.abs(grid.index_to_world) @ np.array(grid.shape[::-1])))
    return ProjectionGeometry.c_arm(
        volume.centre,
        primary_deg=view.primary,
        secondary_deg=view.secondary,
        sdd_mm=sdd,
        sid_mm=sid,
        pixel_mm=field * sdd / sid / size,
        size=size,
        mirrored=view.mirrored,
    )


def _write_view(stage: Path, name: str, ct: Path, view: ViewAngles, projection, structures) -> dict:
    """Write one view's files into ``stage``; returns its line of the manifest."""
    import numpy as np
    from PIL import Image

    line = projection.line_integral
    most = float(line.max())
    if most <= 0:
        raise Failure(f"the view {view.typed!r} shows nothing: no ray meets the CT")
    counts = 65535 / most
    write_png(stage / f"{name}_line_integral.png", Image.fromarray(np.round(line * counts).astype(np.uint16)))
    write_png(stage / f"{name}.png", Image.fromarray(_displayed(line)))
    masks, thresholds = [], {}
    taken: set[str] = set()
    for found in _masks(projection, structures):
        path = _mask_file(name, found.structure, taken)
        write_png(stage / path, Image.fromarray(np.where(found.mask, 255, 0).astype(np.uint8)))
        masks.append({"text": found.structure, "mask": path})
        thresholds[found.structure] = found.threshold_mm
    geometry = {
        field.name: np.asarray(getattr(projection.geometry, field.name)).tolist()
        for field in dataclasses.fields(projection.geometry)
    }
    write_json(
        stage / f"{name}.json",
        {
            "ct": str(ct),
            "view": view.typed,
            "primary_deg": view.primary,
            "secondary_deg": view.secondary,
            "geometry_lps_mm": geometry,
            "line_integral_per_count": 1 / counts,
            "mask_threshold_mm": thresholds,
            "masks": masks,
        },
    )
    return {"image": f"{name}.png", "structures": masks}


def _mask_file(name: str, structure: str, taken: set[str]) -> str:
    """A file name for a structure's mask: its letters of any script, told apart where two come out alike."""
    plain = re.sub(r"[\W_]+", "_", structure).strip("_")[:60] or "label"
    ways = (f"{name}_{plain}{number}.png" for number in chain([""], (f"_{n}" for n in count(2))))
    path = next(way for way in ways if way.casefold() not in taken)
    taken.add(path.casefold())
    return path


def _masks(projection, structures):
    """The masks that training sets have."""
    from ..dataset.masks import MaskRule

    if projection.label_values is None:
        return ()
    return MaskRule().masks(structures, projection.label_values, projection.label_path_mm)


def _displayed(line):
    """Line integrals (H, W) as 8-bit grey, bone bright, the lightest and densest half per cent cut off."""
    import numpy as np

    body = line[line > 0]
    low, high = np.percentile(body, [0.5, 99.5])
    return (255 * ((line - low) / max(high - low, 1e-6)).clip(0, 1)).round().astype(np.uint8)
