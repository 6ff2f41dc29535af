"""Output folders and files that appear whole or not at all."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import chain, count
from pathlib import Path

from .failures import Failure

ENDINGS = (
    ".nii.gz", ".nii", ".dcm", ".dicom", ".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".nrrd", ".nhdr",
    ".mha", ".mhd",
)  # fmt: skip
"""Endings of image files. DICOM files are often named by a UID, whose dots begin no ending."""


@contextmanager
def output_folder(path: str | Path) -> Iterator[Path]:
    """A folder that exists and can be written, made if need be and removed again if nothing came into it.

    Raises Failure before any work is done if it cannot be.
    """
    folder = Path(path)
    made = [one for one in (folder, *folder.parents) if not one.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        os.rmdir(tempfile.mkdtemp(prefix=".", dir=folder))
    except FileExistsError as error:
        raise Failure(f"{folder}: is a file; --output needs the name of a folder") from error
    except OSError as error:
        raise Failure(f"{folder}: cannot be used as output folder ({error.strerror or error})") from error
    try:
        yield folder
    finally:
        for one in made:
            with suppress(OSError):
                one.rmdir()


@contextmanager
def staged(folder: Path) -> Iterator[Path]:
    """A hidden folder inside ``folder`` whose files move into ``folder`` together when the block succeeds.

    If the block fails, or the disk does not take all of it, nothing of it is left.
    """
    stage = Path(tempfile.mkdtemp(prefix=".", dir=folder))
    try:
        yield stage
        files = [path.relative_to(stage) for path in sorted(stage.rglob("*")) if path.is_file()]
        for name in files:
            _flush(stage / name)
            if (folder / name).is_dir():
                raise Failure(f"{folder / name}: is a folder, a file shall take its place; remove it")
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
        for name in files:
            os.replace(stage / name, folder / name)
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(folder)) from error
    except Exception as error:
        # The hidden folder's name would tell the user nothing.
        if error.args and str(stage) in str(error.args[0]):
            error.args = (str(error.args[0]).replace(str(stage), str(folder)), *error.args[1:])
        raise
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def write_json(path: Path, content: object) -> Path:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Path:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    path.write_text(text.getvalue(), encoding="utf-8", newline="")
    return path


def write_png(path: Path, picture) -> Path:
    """Write a Pillow image; by way of memory, so that a full disk is reported as such."""
    encoded = io.BytesIO()
    picture.save(encoded, "PNG", compress_level=4)
    path.write_bytes(encoded.getbuffer())
    return path


def unique_stems(paths: Sequence[Path]) -> list[str]:
    """A name for the results of each path: its own without ending, made different where two agree."""
    taken: set[str] = set()
    stems = []
    for path in paths:
        name = path.name
        plain = next(
            (name[: -len(e)] for e in ENDINGS if name.lower().endswith(e) and len(name) > len(e)), name
        )
        ways = chain([plain, f"{path.parent.name}_{plain}"], (f"{plain}_{number}" for number in count(2)))
        stem = next(way for way in ways if way.casefold() not in taken)
        stems.append(stem)
        taken.add(stem.casefold())
    return stems


def _flush(path: Path) -> None:
    """Have the system store the file now, so that a late failure is noticed before it gets its name."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())
