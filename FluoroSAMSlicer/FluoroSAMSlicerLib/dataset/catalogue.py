"""What makes a folder of images a set: the list of images, the structures, COCO annotations, the card."""

from __future__ import annotations

import csv
import io
import json
import shutil
import tarfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryFile

from ..anatomy import vocabulary
from .batch import archive_name, batches
from .card import card
from .errors import DatasetError
from .plan import Plan
from .set_folder import SCRATCH, SetFolder, as_json

SPLITS = ("train", "val")


def write_catalogue(folder: SetFolder, wanted: Plan, sources: Sequence) -> None:
    """Write structures.json, images.csv, the COCO files and the card from the records on disk.

    Images come CT by CT. Raises DatasetError when there is no image at all, OSError when the disk refuses.
    """
    counts: Counter[tuple[str, str]] = Counter()
    images: Counter[tuple[str, str]] = Counter()
    listing = io.StringIO(newline="")
    rows = csv.writer(listing, lineterminator="\n")
    rows.writerow(("number", "ct", "split", "archive", "image", "display", "record"))
    for archive, files, record in records(folder, wanted):
        images[record["split"], record["ct"]] += 1
        counts.update((record["split"], mask["structure"]) for mask in record["masks"])
        names = [file.as_posix() if not archive else file.name for file in files]
        rows.writerow((record["number"], record["ct"], record["split"], archive, *names))
    if not images:
        raise_nothing(folder)
    structures = {name: described(name) for name in sorted({name for _, name in counts})}
    for split in SPLITS:
        _write_coco(folder, wanted, sources, split, list(structures))
    folder.write_json("structures.json", structures, indent=1)
    folder.write("images.csv", listing.getvalue().encode())
    folder.write("README.md", card(folder.root, wanted, sources, images, counts).encode())


def raise_nothing(folder: SetFolder) -> None:
    raise DatasetError(f"{folder.root}: no image was made")


def described(name: str) -> dict:
    """A structure's names and codes; one that the vocabulary does not know has its own name only."""
    known = vocabulary()
    if name not in known:
        return {"names": [name], "category": "", "laterality": None, "code": None, "color": None}
    structure = known[name]
    codes = (structure.code, structure.modifier)
    return {
        "names": list(dict.fromkeys((name, *structure.synonyms))),
        "category": structure.category,
        "laterality": structure.laterality,
        "code": [[code.scheme, code.value, code.meaning] for code in codes if code] or None,
        "color": list(structure.color),
    }


def records(folder: SetFolder, wanted: Plan, split: str | None = None) -> Iterator[tuple[str, tuple, dict]]:
    """(archive file or "", the image's files, its record) of every image on disk, CT by CT."""
    for batch in batches(wanted, largest=1000):
        if split not in (None, wanted.splits[batch.ct]):
            continue
        name = archive_name(wanted.splits[batch.ct], batch, wanted.settings)
        numbers = wanted.numbers(batch.ct)[batch.first : batch.last]
        all_files = [folder.image_files(number, name) for number in numbers]
        if not name:
            for files in all_files:
                if folder.has(files):
                    yield "", files, json.loads((folder.root / files[2]).read_bytes())
            continue
        archive = Path(f"{name}.tar")
        if (folder.root / archive).is_file():
            with tarfile.open(folder.root / archive) as tar:
                for files in all_files:
                    yield archive.name, files, json.load(tar.extractfile(files[2].name))


def _write_coco(
    folder: SetFolder, wanted: Plan, sources: Sequence, split: str, structures: list[str]
) -> None:
    """COCO instance annotations of one split, written piece by piece: a set may exceed the memory.

    ``file_name`` is the display image, which every reader of COCO opens; ``attenuation_file`` the 16-bit one.
    """
    kinds = {name: number for number, name in enumerate(structures, 1)}
    licences = sorted({source.licence for source in sources if source.licence})
    licence_of = {source.name: licences.index(source.licence) + 1 for source in sources if source.licence}
    head = {
        "info": {"description": "X-ray images rendered from labelled CT", "version": "1"},
        "licenses": [{"id": number, "name": name, "url": ""} for number, name in enumerate(licences, 1)],
        "categories": [
            {"id": number, "name": name, "supercategory": described(name)["category"] or "structure"}
            for name, number in kinds.items()
        ],
    }
    with (
        folder.growing(f"coco_{split}.json") as file,
        TemporaryFile(dir=folder.root / SCRATCH) as annotations,
    ):
        file.write(as_json(head).rstrip()[:-1] + b',"images":[')
        number = 0
        between = b"\n"
        for archive, files, record in records(folder, wanted, split):
            place = [f"{archive}/{one.name}" if archive else one.as_posix() for one in files]
            image = {
                "id": record["number"],
                "file_name": place[1],
                "attenuation_file": place[0],
                "width": record["width"],
                "height": record["height"],
                "ct": record["ct"],
            }
            if record["ct"] in licence_of:
                image["license"] = licence_of[record["ct"]]
            file.write(between + as_json(image).rstrip())
            between = b",\n"
            for mask in record["masks"]:
                number += 1
                annotation = {
                    "id": number,
                    "image_id": record["number"],
                    "category_id": kinds[mask["structure"]],
                    "segmentation": mask["rle"],
                    "area": mask["area"],
                    "bbox": mask["bbox"],
                    "iscrowd": 0,
                    "path_threshold_mm": mask["path_threshold_mm"],
                }
                annotations.write((b",\n" if number > 1 else b"\n") + as_json(annotation).rstrip())
        file.write(b'\n],"annotations":[')
        annotations.seek(0)
        shutil.copyfileobj(annotations, file)
        file.write(b"\n]}\n")
