"""A stretch of images of one CT, made in any process: the unit of work that engines hand out."""

from __future__ import annotations

import errno
import io
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from .. import __version__
from ..drr import DRRError
from .errors import DatasetError
from .labelled_ct import CTSource, LabelledCT
from .plan import Plan, plan
from .rendering import COUNTS_PER_UNIT, DISPLAY_PERCENTILES, RenderedImage, render
from .run_length import bounding_box, encode
from .set_folder import SCRATCH, SetFolder, as_json
from .settings import SetSettings

STOP = "stop"
"""A file of this name in the scratch folder asks every worker to stop after the image it is at."""

_loading = threading.Lock()
_DISK_FULL = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}


@dataclass(frozen=True)
class Job:
    """A set to be written, as every worker gets it."""

    sources: tuple[CTSource | LabelledCT, ...]
    settings: SetSettings
    folder: Path
    threads: int | None = 1
    version: str = __version__


@dataclass(frozen=True)
class Batch:
    """The images ``first`` to ``last`` - 1 of one CT, counted within the CT; as WebDataset one archive."""

    ct: int
    first: int
    last: int


@dataclass(frozen=True)
class BatchResult:
    """``made`` images were rendered, ``kept`` were there already; ``failure`` says what stopped the CT."""

    batch: Batch
    made: int = 0
    kept: int = 0
    failure: str = ""


def batches(wanted: Plan, largest: int) -> list[Batch]:
    """The whole plan in batches, CT by CT; ``largest`` counts where the form does not set the size."""
    settings = wanted.settings
    size = settings.shard_images if settings.form == "webdataset" else largest
    found = []
    for ct in range(len(wanted.names)):
        images = len(wanted.numbers(ct))
        found += [Batch(ct, first, min(first + size, images)) for first in range(0, images, size)]
    return found


def archive_name(split: str, batch: Batch, settings: SetSettings) -> str:
    """Name of the WebDataset archive that holds a batch, without ending; empty for loose files."""
    if settings.form != "webdataset":
        return ""
    return f"{split}-{batch.ct:04d}-{batch.first // settings.shard_images:05d}"


def make(job: Job, batch: Batch, on_image: Callable[[int], None] | None = None) -> BatchResult:
    """Render and write what is missing of a batch. Whatever goes wrong is in the result, never raised.

    on_image: called after each image with the number made so far.
    """
    folder = SetFolder(job.folder, job.settings.form)
    made = kept = 0
    try:
        if job.version != __version__:
            raise DatasetError(
                f"a worker has version {__version__}, this set is made by {job.version}; install one"
            )
        wanted = plan(job.sources, job.settings)
        numbers = wanted.numbers(batch.ct)[batch.first : batch.last]
        archive = archive_name(wanted.splits[batch.ct], batch, job.settings)
        if archive and (job.folder / f"{archive}.tar").is_file():
            return BatchResult(batch, kept=len(numbers))
        for number in numbers:
            files = folder.image_files(number, archive)
            if folder.has(files):
                kept += 1
                continue
            if (job.folder / SCRATCH / STOP).exists():
                return BatchResult(batch, made, kept)
            subject = loaded(job, batch.ct, folder)
            _write_image(folder, files, render(subject, wanted[number], job.settings, job.threads))
            made += 1
            if on_image:
                on_image(made)
        if archive:
            folder.pack(archive, numbers)
    except Exception as error:
        return BatchResult(batch, made, kept, _explained(error))
    return BatchResult(batch, made, kept)


def loaded(job: Job, ct: int, folder: SetFolder) -> LabelledCT:
    """A CT of the job, read once a process, which must be the one the set was begun with."""
    with _loading:
        return _loaded(job.sources[ct], ct, folder.root, folder.form)


def forget() -> None:
    """Free the memory of the CT read last."""
    _loaded.cache_clear()


@lru_cache(maxsize=1)
def _loaded(source: CTSource | LabelledCT, ct: int, root: Path, form: str) -> LabelledCT:
    subject = source.load()
    folder = SetFolder(root, form)
    content, path = as_json(_ct_record(subject)), Path("cts", f"{ct:04d}.json")
    if not (root / path).exists():
        folder.write(path, content)
    elif (root / path).read_bytes() != content:
        raise DatasetError(
            f"{subject.name}: the CT or its labels changed since this set was begun; put the old ones back, or"
            " write into another folder"
        )
    return subject


def _ct_record(subject: LabelledCT) -> dict:
    grid = subject.ct.grid
    return {
        "name": subject.name,
        "source": subject.source,
        "licence": subject.licence,
        "digest": subject.digest,
        "size": list(grid.shape[::-1]),
        "spacing_mm": [round(float(mm), 6) for mm in grid.spacing],
        "hu_range": list(subject.ct.hu_range),
        "structures": {name: {"volume_ml": round(subject.volume_ml(name), 3)} for name in subject.targets},
    }


def _write_image(folder: SetFolder, files: tuple[Path, Path, Path], made: RenderedImage) -> None:
    """The record comes last: an image is there when its record is."""
    image, display, record = files
    folder.write(image, _png(made.counts))
    folder.write(display, _png(made.display))
    folder.write(record, as_json(_record(made, files)))


def _record(made: RenderedImage, files: tuple[Path, Path, Path]) -> dict:
    planned = made.planned
    height, width = made.display.shape
    return {
        "number": planned.number,
        "ct": planned.name,
        "split": planned.split,
        "seed": list(planned.entropy),
        "width": width,
        "height": height,
        "image": {
            "file": _named(files[0]),
            "meaning": "attenuation, -ln(intensity / open beam), bone bright",
            "counts_per_unit": COUNTS_PER_UNIT,
        },
        "display": {"file": _named(files[1]), "percentiles": list(DISPLAY_PERCENTILES)},
        "aim": made.aim,
        "geometry": made.geometry,
        "physics": made.physics,
        "tools": made.tools,
        "masks": [
            {
                "structure": one.structure,
                "path_threshold_mm": round(one.threshold_mm, 4),
                "longest_path_mm": round(one.longest_mm, 3),
                "area": int(np.count_nonzero(one.mask)),
                "bbox": bounding_box(one.mask),
                "rle": encode(one.mask),
            }
            for one in made.masks
        ],
    }


def _named(file: Path) -> str:
    """An image's name in its record: from the set's folder, or within its archive."""
    return file.name if file.name.count(".") > 1 else file.as_posix()


def _png(pixels: np.ndarray) -> bytes:
    from PIL import Image

    encoded = io.BytesIO()
    Image.fromarray(pixels).save(encoded, "PNG", compress_level=3)
    return encoded.getvalue()


def _explained(error: Exception) -> str:
    if isinstance(error, (DatasetError, DRRError)):
        return str(error)
    if isinstance(error, MemoryError):
        return "not enough memory; use fewer workers, or a smaller CT"
    if isinstance(error, OSError):
        cause = error.strerror or str(error)
        if error.errno in _DISK_FULL:
            return f"the disk is full ({cause}); free some space and run the same again, it goes on from here"
        return f"{error.filename}: {cause}" if error.filename else cause
    return f"unexpected fault ({type(error).__name__}: {error})"
