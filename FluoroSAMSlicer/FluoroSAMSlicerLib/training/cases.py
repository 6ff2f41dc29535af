"""Images whose answer is known: of a manifest, or of a set that `fluorosam synthesize` wrote."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..anatomy import AnatomyError, interpret, vocabulary
from ..dataset import DatasetError, TrainingSet, read_set
from ..radiograph import Radiograph, read_radiograph


@dataclass(frozen=True, eq=False)
class Answer:
    """A structure as it is asked for, its true mask and where nobody knows; bool (H, W)."""

    text: str
    mask: np.ndarray
    ignored: np.ndarray


@dataclass(frozen=True, eq=False)
class Case:
    """An image by its name in the source, and its structures."""

    image: str
    radiograph: Radiograph
    answers: tuple[Answer, ...]


def read_cases(source: Path | str) -> tuple[int, Iterator[Case]]:
    """How many images ``source`` has, and the images, each read when it is its turn.

    A set is read from its folder: its images for validation (all, if none is), with those structures that have
    a name in the vocabulary. A manifest is JSON Lines, ``{"image": "a.png", "structures": [{"text": "left lung",
    "mask": "a_left_lung.png"}]}``, paths relative to the file, masks non-zero inside; an optional ``ignore`` mask
    beside ``mask`` is left out of the count. Raises :class:`DatasetError` for a source at fault.
    """
    source = Path(source)
    if source.is_dir():
        images = read_set(source)
        images = images.split("val") or images
        return len(images), _of_set(images)
    entries = manifest_entries(source)
    return len(entries), _of_manifest(source.parent, entries)


def check_cases(source: Path | str, named: bool = True) -> tuple[str, ...]:
    """What to know of a manifest's names: those that are misspelt and read as another, each once.

    Raises :class:`DatasetError` for files that are not there and, if the structures are asked for by name
    (``named``), for a name that means nothing. No image is read; of a set nothing is checked.
    """
    source = Path(source)
    if source.is_dir():
        return ()
    notes: dict[str, str] = {}
    for entry in manifest_entries(source):
        where = f"{source}, {entry['image']}"
        for one in (entry, *entry["structures"]):
            for kind in ("image", "mask", "ignore"):
                if one.get(kind) and not (source.parent / one[kind]).is_file():
                    raise DatasetError(f"{source.parent / one[kind]}: there is no such {kind} file")
        for text in (structure["text"] for structure in entry["structures"] if named):
            try:
                match = interpret(text)
            except AnatomyError as error:
                raise DatasetError(f"{where}: {error}") from error
            if match.corrected:
                notes.setdefault(text, f'{where}: "{text}" was read as "{match.structure.name}"')
    return tuple(notes.values())


def _of_set(images: TrainingSet) -> Iterator[Case]:
    for image in images:
        nowhere = np.zeros(image.display.shape, bool)
        answers = [Answer(name, mask, nowhere) for name, mask in image.masks.items() if name in vocabulary()]
        radiograph = Radiograph(image.display.astype(np.float32) / 255)
        yield Case(str(image.number), radiograph, tuple(answers))


def _of_manifest(folder: Path, entries: list[dict]) -> Iterator[Case]:
    for entry in entries:
        radiograph = read_radiograph(folder / entry["image"])
        shape = radiograph.pixels.shape
        answers = []
        for structure in entry["structures"]:
            mask = read_mask(folder / structure["mask"], shape)
            ignored = np.zeros(shape, bool)
            if structure.get("ignore"):
                ignored = read_mask(folder / structure["ignore"], shape)
            answers.append(Answer(structure["text"], mask, ignored))
        yield Case(entry["image"], radiograph, tuple(answers))


def manifest_entries(manifest: Path) -> list[dict]:
    try:
        lines = manifest.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise DatasetError(f"{manifest}: the manifest cannot be read ({error.strerror or error})") from error
    entries = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
            Path(entry["image"]), [(s["text"], Path(s["mask"])) for s in entry["structures"]]
        except (ValueError, KeyError, TypeError) as error:
            raise DatasetError(
                f"{manifest}, line {number}: not an entry with 'image' and 'structures' of 'text' and 'mask'"
            ) from error
        entries.append(entry)
    if not entries:
        raise DatasetError(f"{manifest}: the manifest is empty")
    return entries


def read_mask(path: Path, shape: tuple[int, int]) -> np.ndarray:
    from PIL import Image

    try:
        with Image.open(path) as picture:
            mask = np.asarray(picture.convert("L")) > 0
    except OSError as error:
        cause = error.strerror or "it is no picture, or a damaged one"
        raise DatasetError(f"{path}: the mask cannot be read ({cause})") from error
    if mask.shape != shape:
        raise DatasetError(
            f"{path}: the mask is {mask.shape[1]} x {mask.shape[0]} pixels, its image is {shape[1]} x {shape[0]}"
        )
    return mask
