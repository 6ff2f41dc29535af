"""A published checkpoint, or a training's result, becomes an installed model, whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path

from .. import __version__
from .clip_vocabulary import (
    END,
    find_clip_vocabulary,
    read_clip_vocabulary,
    vocabulary_advice,
    write_clip_vocabulary,
)
from .config import FluoroSAMConfig
from .errors import CheckpointError, InstallationCancelled, InstallationError, TokenError
from .library import (
    FOLDER_VARIABLE,
    FORMAT,
    installed_model_folder,
    installed_models,
    saved_model_folder,
    saved_model_name,
)
from .reference import load_reference_checkpoint
from .storage import (
    CONFIG,
    WEIGHTS,
    Provenance,
    bundled_models,
    file_sha256,
    read_description,
    verify_model,
)
from .weights_file import PIECE, stored_size, write_weights

LICENCE = "CC BY-NC-SA 4.0"
LICENCE_TEXT = (
    "The published FluoroSAM weights (Killeen et al., https://github.com/arcadelab/fluorosam) are licensed\n"
    f"{LICENCE}, https://creativecommons.org/licenses/by-nc-sa/4.0/. You may use, share and adapt them for\n"
    "purposes that are not commercial, if you credit their authors and share what you make of them under the\n"
    "same licence. Installing changes their layout only, not their values. They are no medical device."
)
"""What the user is shown before an installation, and what is kept beside the weights."""
LICENCE_FILE = "LICENCE.txt"

MARGIN = 16 << 20
"""Bytes beyond the weights that must be free: vocabulary, description, and what the file system takes."""
ABANDONED = 3600.0
"""Seconds without a change after which the remains of an interrupted installation are removed."""
_BEGUN, _ASIDE = ".installing-", ".replaced-"
_FULL = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}

Progress = Callable[[float, str], None]


@dataclass(frozen=True)
class InstalledModel:
    """A model in the user's folder: ``notes`` say what the user should know, such as a vocabulary to get."""

    name: str
    folder: Path
    provenance: Provenance
    notes: tuple[str, ...] = ()


def install_checkpoint(
    path: str | Path,
    name: str | None = None,
    vocabulary: str | Path | None = None,
    replace: bool = False,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> InstalledModel:
    """Convert a published checkpoint to safetensors in the user's model folder, as the model ``name``.

    What :func:`save_model` wrote, such as a training's result, is copied instead (give its folder or a file of
    it); ``name`` is then by default that of the training's folder.

    ``path`` is the ``.ckpt`` or safetensors file, read as :func:`load_reference_checkpoint` reads it: nothing
    in it is run. ``name`` is by default that of its configuration ("swin-l"). ``vocabulary`` is a folder with
    CLIP's vocabulary; without it the one beside the checkpoint is taken, or what the machine has of it.
    Installing the same file under the same name again changes nothing but the vocabulary; another file needs
    ``replace``. ``progress(fraction, text)`` hears how far it is, ``cancelled()`` is asked several times a
    second. The values are copied in pieces and never stand in memory twice.

    Whatever happens, the model folder holds the whole new model or what it held before. Raises
    :class:`CheckpointError` for a file that is no FluoroSAM checkpoint, :class:`TokenError` for an explicit
    ``vocabulary`` that is not CLIP's, :class:`InstallationError` for a name that is taken or a disk that is
    full or not writable, and :class:`InstallationCancelled`.
    """
    path = Path(path)
    watch = _Watch(progress or (lambda fraction, text: None), cancelled or (lambda: False))
    if saved := saved_model_folder(path):
        return _install_saved(saved, name or saved_model_name(saved), replace, watch)
    if path.is_dir():
        raise InstallationError(f"{path} is a folder: give the checkpoint file itself")
    watch.report("Reading the checkpoint")
    before = _stamp(path)
    network = load_reference_checkpoint(path)
    config = network.config
    state = {key: t for key, t in network.state_dict().items() if not key.endswith("num_batches_tracked")}
    folder = _free_folder(name or config.name)
    words, notes = _vocabulary(path, folder, vocabulary, config)
    watch.total = path.stat().st_size + stored_size(state)
    source = _hash_source(path, watch)
    _refuse_other(folder, source, replace)
    provenance = Provenance(
        f"FluoroSAM {config.name}",
        LICENCE,
        path.name,
        {
            "sha256": source,
            "bytes": path.stat().st_size,
            "installed": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "installed_by": f"FluoroSAMSlicer {__version__}",
            "licence_url": "https://creativecommons.org/licenses/by-nc-sa/4.0/",
        },
    )
    with _staged(folder, stored_size(state)) as stage:
        files = {WEIGHTS: write_weights(stage / WEIGHTS, state, {"format": FORMAT}, watch.advance)}
        if _stamp(path) != before:
            raise InstallationError(f"{path} changed while it was read: install it again when it is complete")
        written = list(write_clip_vocabulary(stage, *words)) if words else []
        (stage / LICENCE_FILE).write_text(LICENCE_TEXT + "\n", encoding="utf-8")
        files.update({file.name: file_sha256(file) for file in (*written, stage / LICENCE_FILE)})
        _describe(stage / CONFIG, config, provenance, files)
        watch.report("Putting the model into its place")
    watch.finish()
    return InstalledModel(folder.name, folder, provenance, notes)


def _install_saved(source: Path, name: str, replace: bool, watch: _Watch) -> InstalledModel:
    watch.report("Checking the model")
    verify_model(source)
    description, _, provenance = read_description(source)
    folder, files = _free_folder(name), (*description["files"], CONFIG)
    _refuse_other(folder, description["files"][WEIGHTS], replace)
    watch.total = sum((source / file).stat().st_size for file in files)
    with _staged(folder, watch.total) as stage:
        watch.report("Copying the model")
        for file in files:
            shutil.copyfile(source / file, stage / file)
            watch.advance((stage / file).stat().st_size)
    watch.finish()
    return InstalledModel(folder.name, folder, provenance)


class _Watch:
    """How far the work is, in bytes; ends it where the user called it off."""

    def __init__(self, tell: Progress, cancelled: Callable[[], bool]) -> None:
        self.tell, self.cancelled, self.total, self.done, self.text = tell, cancelled, 0, 0, ""

    def report(self, text: str) -> None:
        self.text = text
        self.advance(0)

    def advance(self, count: int) -> None:
        self.done += count
        if self.cancelled():
            raise InstallationCancelled("the installation was called off; nothing was installed")
        self.tell(min(0.99, self.done / self.total) if self.total else 0.0, self.text)

    def finish(self) -> None:
        self.tell(1.0, "Installed")


def _stamp(path: Path) -> tuple[int, int]:
    try:
        facts = path.stat()
    except OSError as problem:
        raise CheckpointError(f"{path}: there is no such weights file") from problem
    return facts.st_size, facts.st_mtime_ns


def _free_folder(name: str) -> Path:
    """Where the model goes; refuses names that are a bundled model's, or differ from another's in case."""
    folder = installed_model_folder(name)
    for taken in (*bundled_models(), *installed_models()):
        if taken.lower() == name.lower() and (taken != name or taken in bundled_models()):
            raise InstallationError(f"there is a model called {taken} already: give another name")
    return folder


def _refuse_other(folder: Path, source: str, replace: bool) -> None:
    """Unless ``replace``, the folder may only hold what came from the same file (its SHA-256 is ``source``) or has
    the same weights, or the remains of a model."""
    if replace or not (folder / CONFIG).is_file():
        return
    with contextlib.suppress(CheckpointError):
        description, _, provenance = read_description(folder)
        if source in (provenance.details.get("sha256"), description["files"][WEIGHTS]):
            return
    raise InstallationError(
        f"there is a model called {folder.name} already, of another file ({folder}): give another name, or say "
        "that it is to be replaced"
    )


def _vocabulary(
    path: Path, folder: Path, given: str | Path | None, config: FluoroSAMConfig
) -> tuple[tuple | None, tuple[str, ...]]:
    """CLIP's entries and merges if they are to be had, and what the user should know about them."""
    if given is not None:
        return _fitting(Path(given), config), ()
    found = find_clip_vocabulary(path.absolute().parent, folder)
    try:
        if found is not None:
            return _fitting(found, config), ()
        reason = ""
    except TokenError as problem:
        reason = f" ({problem})"
    return None, (f"{vocabulary_advice(folder)}{reason}",)


def _fitting(folder: Path, config: FluoroSAMConfig) -> tuple:
    vocabulary, merges = read_clip_vocabulary(folder)
    if len(vocabulary) > config.text.vocabulary or vocabulary[END] != config.text.end_of_text:
        raise TokenError(
            f"{folder}: this vocabulary has {len(vocabulary)} entries, the model {config.text.vocabulary}: "
            "it belongs to another model"
        )
    return vocabulary, merges


def _hash_source(path: Path, watch: _Watch) -> str:
    watch.report("Checking the checkpoint")
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while piece := file.read(PIECE):
                digest.update(piece)
                watch.advance(len(piece))
    except OSError as problem:
        raise CheckpointError(f"{path}: cannot be read ({problem.strerror or problem})") from problem
    watch.report("Converting the weights")
    return digest.hexdigest()


def _describe(path: Path, config: FluoroSAMConfig, provenance: Provenance, files: Mapping[str, str]) -> None:
    description = {
        "format": FORMAT,
        "provenance": asdict(provenance),
        "files": dict(files),
        "config": json.loads(config.to_json()),
    }
    with path.open("w", encoding="utf-8") as file:
        file.write(json.dumps(description, indent=2) + "\n")
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def _staged(folder: Path, size: int) -> Iterator[Path]:
    """A folder to build the model in, which takes the place of ``folder`` if nothing goes wrong inside."""
    library = folder.parent
    stage = library / f"{_BEGUN}{folder.name}-{os.getpid()}-{secrets.token_hex(4)}"
    try:
        library.mkdir(parents=True, exist_ok=True)
        _clear_abandoned(library)
        free = shutil.disk_usage(library).free
        if free < size + MARGIN:
            raise InstallationError(_no_space(library, size + MARGIN, free))
        stage.mkdir()
        yield stage
        _exchange(stage, folder)
    except OSError as problem:
        if problem.errno in _FULL:
            raise InstallationError(_no_space(library, size + MARGIN)) from problem
        raise InstallationError(
            f"{problem.filename or library}: the model cannot be installed ({problem.strerror or problem}); "
            f"the environment variable {FOLDER_VARIABLE} can name another folder"
        ) from problem
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def _exchange(stage: Path, folder: Path) -> None:
    """``stage`` becomes ``folder``; what was there goes only when the new one is in its place."""
    if not folder.exists():
        stage.rename(folder)
        return
    aside = folder.with_name(f"{_ASIDE}{folder.name}-{os.getpid()}-{secrets.token_hex(4)}")
    folder.rename(aside)
    try:
        stage.rename(folder)
    except BaseException:
        aside.rename(folder)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def _clear_abandoned(library: Path) -> None:
    """Remove what processes left that were killed while they installed; put back what they had set aside."""
    for remains in (*library.glob(f"{_BEGUN}*"), *library.glob(f"{_ASIDE}*")):
        with contextlib.suppress(OSError):
            changed = max(file.lstat().st_ctime for file in (remains, *remains.iterdir()))
            if time.time() - changed < ABANDONED:
                continue
            name = remains.name.removeprefix(_ASIDE).rsplit("-", 2)[0]
            if remains.name.startswith(_ASIDE) and not (library / name).exists():
                remains.rename(library / name)
            else:
                shutil.rmtree(remains, ignore_errors=True)


def _no_space(library: Path, needed: int, free: int | None = None) -> str:
    here = "" if free is None else f", {free / 2**20:.0f} MiB are free"
    return (
        f"{library}: the disk is full; the model needs {needed / 2**20:.0f} MiB{here}. Nothing was installed. Make "
        f"room, or name a folder on another disk in the environment variable {FOLDER_VARIABLE}"
    )
