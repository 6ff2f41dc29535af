"""The README of a set: what is in it, how it was made, and under which terms."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from .. import __version__
from .plan import Plan
from .rendering import COUNTS_PER_UNIT, DISPLAY_PERCENTILES
from .settings import SetSettings, Span, voltages

UNSTATED = "not stated"


def card(
    root: Path,
    wanted: Plan,
    sources: Sequence,
    images: Counter[tuple[str, str]],
    masks: Counter[tuple[str, str]],
) -> str:
    """The dataset card as Markdown, from the number of images by (split, CT) and of masks by (split, structure)."""
    settings = wanted.settings
    totals = {split: sum(n for (one, _), n in images.items() if one == split) for split in ("train", "val")}
    names = sorted({name for _, name in masks})
    lines = [
        "# Labelled X-ray images rendered from CT",
        "",
        f"{sum(images.values())} images of {settings.size[0]} x {settings.size[1]} pixels from"
        f" {len({ct for _, ct in images})} CTs, with {sum(masks.values())} masks of {len(names)} structures."
        f" Made by FluoroSAMSlicer {__version__} (`fluorosam synthesize`), seed {settings.seed}; the same CTs,"
        " settings and software versions give the same files.",
        "",
        f"Training: {totals['train']} images; validation: {totals['val']}. Images of one patient are in one"
        " split only." + _caution(wanted, totals),
        "",
        "## CTs",
        "",
        "| CT | split | images | voxels | source | licence |",
        "|---|---|---|---|---|---|",
    ]
    for number, (source, split) in enumerate(zip(sources, wanted.splits, strict=True)):
        made = images[split, source.name]
        row = (source.name, split, made or "0 (stopped)", _grid(root, number), source.source, source.licence)
        lines.append("| " + " | ".join(_cell(str(one)) or UNSTATED for one in row) + " |")
    if not all(source.licence for source in sources):
        lines += [
            "",
            "A CT without a stated licence must not be passed on before its owner's terms are known.",
        ]
    lines += ["", *_files(settings), "", *_making(settings), "", "## Structures", ""]
    lines += [
        "Synonyms, codes and colours: `structures.json`.",
        "",
        "| structure | train | val |",
        "|---|---|---|",
    ]
    lines += [f"| {_cell(name)} | {masks['train', name]} | {masks['val', name]} |" for name in names]
    return "\n".join(lines) + "\n"


def _files(settings: SetSettings) -> list[str]:
    if settings.form == "webdataset":
        where = "`train-*.tar`, `val-*.tar`: WebDataset; a sample is `image.png`, `display.png` and `json`."
    else:
        where = "`images/` and `display/` hold the PNG files, `records/` one JSON file an image."
    return [
        "## Files",
        "",
        f"- {where}",
        f"- 16-bit image: attenuation, {COUNTS_PER_UNIT} * -ln(intensity / open beam), bone bright.",
        f"- Display image: the same, 8-bit, between percentiles {DISPLAY_PERCENTILES[0]:g} and"
        f" {DISPLAY_PERCENTILES[1]:g} of the pixels behind the patient.",
        "- Record: view, source and detector in LPS mm, 3x4 projection matrix, tube voltage and dose, and the"
        " masks as COCO run lengths with the path length they start from.",
        "- `coco_train.json`, `coco_val.json`: the same masks as COCO instances. `images.csv`: one line an image.",
    ]


def _making(settings: SetSettings) -> list[str]:
    kilovolts, rule = voltages(settings.kilovolts), settings.mask_rule
    tubes = f"{kilovolts[0]} kV" if len(kilovolts) == 1 else f"{kilovolts[0]} to {kilovolts[-1]} kV"
    if 1 < len(kilovolts) < 6:
        tubes = f"{', '.join(map(str, kilovolts))} kV"
    own = "".join(f"; {name}: {mm:g} mm" for name, mm in settings.thresholds)
    aim = "a random structure" if settings.aim == "structures" else "the middle of what is labelled"
    return [
        "## How the images were made",
        "",
        f"- Views: LAO(+)/RAO(-) {_degrees(settings.lao_deg)}, CRA(+)/CAU(-) {_degrees(settings.cra_deg)}, rotation"
        f" in the plane {_degrees(settings.rotation_deg)}; isocentre at {aim}, shifted by up to"
        f" {settings.jitter_mm:g} mm along each axis.",
        f"- Source to detector {_shown(settings.sdd_mm)} mm, to isocentre {_shown(settings.sid_mm)} mm, detector"
        f" {_shown(settings.detector_mm)} mm wide.",
        f"- Beam: {tubes}, {_shown(settings.dose_ugy)} microgray at the detector in the open beam; exact ray"
        " sums through soft tissue, bone and metal by HU; energy-integrating detector, correlated"
        " Poisson noise; scatter as a"
        f" smooth share of the primary ({_shown(settings.scatter_per_cm)} a cm of water before the grid, an"
        f" approximation); half of the contrast at {_shown(settings.mtf50_per_mm)} line pairs / mm (0: no blur).",
        f"- Tools: {'none' if not settings.tools else f'up to {settings.tools} an image, placed at random'}.",
        f"- A pixel belongs to a structure when its ray runs more than {settings.threshold_mm:g} mm through it{own};"
        f" thin structures count from {settings.thin_share:g} of their longest path on. Each mask states its own"
        f" threshold. Masks below {settings.smallest_pixels} pixels are left out.",
        "- A lung without a threshold of its own is drawn as radiographs show it: only where the ray also runs"
        f" longer than {rule.lung_mm:g} mm through the whole of it and not longer than {rule.dome_mm:g} mm through"
        " liver, spleen and stomach: the recess behind the diaphragm does not count. Where none of these has a"
        f" label, it counts from {rule.lung_share:g} of the longest such path in view on.",
        "- Masks are only as good as the labels of the CT. Rendered images lack what a projection leaves out:"
        " motion, collimation, text markers, detector faults.",
    ]


def _caution(wanted: Plan, totals: dict[str, int]) -> str:
    if wanted.settings.validation > 0 and not totals["val"]:
        return " There is nothing to validate on: a second CT is needed for that."
    return ""


def _grid(root: Path, number: int) -> str:
    try:
        record = json.loads((root / "cts" / f"{number:04d}.json").read_bytes())
    except (OSError, ValueError):
        return "unread"
    size = " x ".join(map(str, record["size"]))
    return f"{size}, {' x '.join(f'{mm:.3g}' for mm in record['spacing_mm'])} mm"


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "/").split())


def _degrees(span: Span) -> str:
    return f"{_shown(span)} degrees"


def _shown(span: Span) -> str:
    return f"{span[0]:g} to {span[1]:g}" if isinstance(span, tuple) else f"{span:g}"
