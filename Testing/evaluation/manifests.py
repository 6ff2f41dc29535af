"""Lay out the evaluation sets as manifests: real radiographs with masks, and DRRs of held-out bodies.

    python Testing/evaluation/manifests.py DATA OUTPUT

writes OUTPUT/NAME/manifest.jsonl for every set that has none yet: ``cxr_hannover`` and ``cxr_generalblockchain``
(real chest radiographs), ``drr_abdopelvis`` (a real CT) and ``drr_head_neck``; neither CT is ever trained on. Sets
that come as manifests (`READY`) are read where they are.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
from FluoroSAMSlicerLib.dataset import Body
from FluoroSAMSlicerLib.dataset.generation import structure_masks
from FluoroSAMSlicerLib.dataset.views import beam_axes
from FluoroSAMSlicerLib.drr import CTVolume, LabelVolume, ProjectionGeometry, project
from PIL import Image

RENAMED = {"cardiomediastinum": "mediastinum"}
FOREIGN = "foreign object (ignore)"
LEFT_OUT = {FOREIGN, "consolidation", "ground glass opacities", "tubings", "pneumothorax"}
REAL = ("cxr_hannover", "cxr_generalblockchain")
HELD_OUT = {
    "drr_abdopelvis": ("ts_real_abdopelvis", "ct"),
    "drr_head_neck": ("spl_head_neck", "ct_synthetic"),
}
READY = {"real_bones": "xray/real_bones", "nc_real_bones": "nc/real_bones", "nc_drr_legs": "nc/drr_legs"}
SMALLEST_SHARE = 0.005
"""DRR structures below this share of the image are not asked for."""


def real_radiographs(source: Path, folder: Path) -> Path:
    """Copy images and masks of an indexed set and write its manifest.

    Foreign objects, and what lies outside the part of the picture that was annotated, are ignored.
    """
    entries = []
    for item in json.loads((source / "index.json").read_text(encoding="utf-8"))["images"]:
        image = copied(source, folder, item["image"])
        ignore = unknown(source, folder, item)
        structures = []
        for text, mask in item["masks"].items():
            if text not in LEFT_OUT:
                structure = {"text": RENAMED.get(text, text), "mask": copied(source, folder, mask)}
                structures.append(structure | ({"ignore": ignore} if ignore else {}))
        if structures:
            entries.append({"image": image, "view": "chest frontal", "structures": structures})
    return written(folder, entries)


def unknown(source: Path, folder: Path, item: dict) -> str | None:
    """Write the mask of what the annotators left open; None where they left nothing open."""
    width, height = item["size"]
    mask = np.zeros((height, width), bool)
    if "covered_box_xywh" in item:
        x, y, across, down = item["covered_box_xywh"]
        mask[:] = True
        mask[y : y + down, x : x + across] = False
    if FOREIGN in item["masks"]:
        with Image.open(source / item["masks"][FOREIGN]) as picture:
            mask |= np.asarray(picture.convert("L")) > 0
    if not mask.any():
        return None
    relative = f"masks/{Path(item['image']).stem}_ignore.png"
    (folder / "masks").mkdir(parents=True, exist_ok=True)
    save(folder / relative, mask * 255)
    return relative


def copied(source: Path, folder: Path, relative: str) -> str:
    target = folder / relative
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source / relative, target)
    return relative


def rendered(body: Body, folder: Path, seed: int = 5, count: int = 8, pixels: int = 512) -> Path:
    """DRRs of an unvaried body: frontal, lateral and oblique, whole and in part."""
    rng = np.random.default_rng(seed)
    ct = CTVolume(body.hu, origin=body.origin, spacing=body.spacing)
    labels = LabelVolume(body.labels, origin=body.origin, spacing=body.spacing)
    size = body.spacing * body.labels.shape[::-1]
    folder.mkdir(parents=True, exist_ok=True)
    entries = []
    for number in range(count):
        primary = (0, 90, rng.uniform(-60, 60))[number % 3] + rng.normal(0, 4)
        field = float(size[2]) * rng.uniform(0.6, 1.0)
        centre = body.origin + size / 2 + [0, 0, rng.uniform(-0.5, 0.5) * (size[2] - field)]
        forward, column, row = beam_axes(primary, rng.normal(0, 6), 0, True)
        geometry = ProjectionGeometry(
            source=centre - 700 * forward, detector_centre=centre + 320 * forward, column_axis=column,
            row_axis=row, pixel_mm=(field * 1020 / 700 / pixels,) * 2, size=(pixels, pixels),
        )  # fmt: skip
        projection = project(ct, geometry, labels=labels)
        integral = projection.line_integral
        low, high = np.percentile(integral, [1, 99.8])
        picture = np.clip((integral - low) / (high - low), 0, 1)
        noise = rng.normal(0, 0.01, picture.shape)
        name = f"{body.name}_{number:02d}"
        save(folder / f"{name}.png", np.clip(picture + noise, 0, 1) * 255)
        structures = []
        masks = structure_masks(body, projection.label_values, projection.label_path_mm)
        for structure, mask in masks.items():
            if mask.mean() >= SMALLEST_SHARE:
                file = f"{name}_{structure.replace(' ', '_')}.png"
                save(folder / file, mask * 255)
                structures.append({"text": structure, "mask": file})
        view = ("frontal", "lateral", "oblique")[number % 3]
        entries.append({"image": f"{name}.png", "view": view, "structures": structures})
    return written(folder, entries)


def save(path: Path, values: np.ndarray) -> None:
    Image.fromarray(np.asarray(values, np.uint8)).save(path)


def written(folder: Path, entries: list[dict]) -> Path:
    path = folder / "manifest.jsonl"
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries), encoding="utf-8")
    return path


def lay_out(data: Path, output: Path) -> dict[str, Path]:
    """The manifests of all sets by name; those that exist are kept."""
    manifests = {name: data / place / "manifest.jsonl" for name, place in READY.items()}
    manifests = {name: manifest for name, manifest in manifests.items() if manifest.exists()}
    for name in (*REAL, *HELD_OUT):
        manifest = output / name / "manifest.jsonl"
        if not manifest.exists() and name in REAL:
            real_radiographs(data / "xray" / name, output / name)
        elif not manifest.exists():
            body, kind = (data / "ct" / part for part in HELD_OUT[name])
            ct = f"{body}_{kind.name}.nrrd"
            rendered(Body.read(ct, f"{body}_labels.nrrd"), output / name)
        manifests[name] = manifest
    return manifests


if __name__ == "__main__":
    print(*lay_out(Path(sys.argv[1]), Path(sys.argv[2])).values(), sep="\n")
