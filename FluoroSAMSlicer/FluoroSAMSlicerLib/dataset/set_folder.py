"""The files of a set in its folder, each written whole or not at all.

    set.json                    settings, CTs and their split: what the set shall be
    cts/0000.json               one a CT: its grid, digest and structures
    images/0000/0000012.png     16-bit, 4096 * -ln(intensity / open beam), bone bright
    display/0000/0000012.png    8-bit
    records/0000/0000012.json   geometry, physics, masks
    structures.json             names, synonyms, codes, colours
    images.csv                  one line an image
    coco_train.json, coco_val.json
    README.md                   the dataset card

As WebDataset, ``train-0000-00000.tar`` (CT, archive of that CT) hold the images and records instead, as
``0000012.image.png``, ``0000012.display.png`` and ``0000012.json``.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import tarfile
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .errors import DatasetError

SCRATCH = ".partial"
"""Where files grow before they get their name; emptied whenever a run begins or ends."""
PARTS = ".parts"
"""Where the images of an archive wait for the others."""

_PER_FOLDER = 1000


class SetFolder:
    """Names and writes the files of one set. ``form`` is that of SetSettings."""

    def __init__(self, root: Path | str, form: str):
        self.root, self.form = Path(root), form

    def image_files(self, number: int, archive: str = "") -> tuple[Path, Path, Path]:
        """The 16-bit image, the display image and the record of an image, relative to the folder."""
        name = f"{number:07d}"
        if self.form == "webdataset":
            folder = Path(PARTS, archive)
            return folder / f"{name}.image.png", folder / f"{name}.display.png", folder / f"{name}.json"
        group = f"{number // _PER_FOLDER:04d}"
        return tuple(
            Path(kind, group, name + ending)
            for kind, ending in (("images", ".png"), ("display", ".png"), ("records", ".json"))
        )

    def has(self, files: tuple[Path, ...]) -> bool:
        return all((self.root / file).is_file() for file in files)

    def write(self, name: Path | str, content: bytes) -> None:
        """Write a file, complete or not at all. Raises OSError."""
        with self.growing(name) as file:
            file.write(content)

    @contextmanager
    def growing(self, name: Path | str) -> Iterator[io.BufferedWriter]:
        """A file open for writing that gets its name, and replaces what had it, when the block succeeds."""
        target = self.root / name
        partial = self.root / SCRATCH / uuid.uuid4().hex
        try:
            with partial.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(partial, target)
        except BaseException:
            with suppress(OSError):
                partial.unlink()
            raise

    def write_json(self, name: Path | str, content: object, indent: int | None = None) -> None:
        self.write(name, as_json(content, indent))

    def pack(self, archive: str, numbers: range) -> None:
        """Make an archive of images whose files are all there, and take these away."""
        with (
            self.growing(f"{archive}.tar") as file,
            tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as tar,
        ):
            for number in numbers:
                for path in self.image_files(number, archive):
                    content = (self.root / path).read_bytes()
                    entry = tarfile.TarInfo(path.name)
                    entry.size, entry.mode = len(content), 0o644
                    tar.addfile(entry, io.BytesIO(content))
        shutil.rmtree(self.root / PARTS / archive, ignore_errors=True)

    def prepare(self) -> None:
        """Make the folder usable, or raise DatasetError."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            others = [path.name for path in self.root.iterdir() if not path.name.startswith(".")]
            if others and not (self.root / "set.json").exists():
                raise DatasetError(
                    f"{self.root}: holds other files ({sorted(others)[0]}); choose an empty or a new folder"
                )
            scratch = self.root / SCRATCH
            scratch.mkdir(exist_ok=True)
            with tempfile.TemporaryFile(dir=scratch):
                pass
        except FileExistsError as error:
            raise DatasetError(f"{self.root}: is a file; name a folder for the set") from error
        except OSError as error:
            raise DatasetError(
                f"{self.root}: cannot be used as the set's folder ({error.strerror or error});"
                " choose one that can be written"
            ) from error

    def tidy(self, finished: bool) -> None:
        """Take away what only a run in progress needs."""
        shutil.rmtree(self.root / SCRATCH, ignore_errors=True)
        if finished:
            shutil.rmtree(self.root / PARTS, ignore_errors=True)
        else:
            with suppress(OSError):
                (self.root / PARTS).rmdir()

    def abandon(self) -> None:
        """Take away what says which set was begun, of a set that has no image."""
        with suppress(OSError):
            (self.root / "set.json").unlink()
        shutil.rmtree(self.root / "cts", ignore_errors=True)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep a second run out of the folder; the system opens the lock when this process ends, however it does."""
        scratch = self.root / SCRATCH
        with (scratch / "lock").open("ab") as file:
            if not _lock(file):
                raise DatasetError(f"{self.root}: another run is writing this set; wait for it, or stop it")
            for path in scratch.iterdir():
                if path.name != "lock":
                    with suppress(OSError):
                        path.unlink()
            yield


def as_json(content: object, indent: int | None = None) -> bytes:
    separators = None if indent else (",", ":")
    return (json.dumps(content, ensure_ascii=False, indent=indent, separators=separators) + "\n").encode()


def _lock(file) -> bool:
    try:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
