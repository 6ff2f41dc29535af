"""A published checkpoint, or a training's result, becomes an installed model, whole or not at all."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

from .. import __version__
from ..weights import (
    InstalledModel,
    Provenance,
    file_sha256,
    stored_size,
    write_description,
    write_weights,
)
from ..weights.library import (
    FORMAT,
    installed_model_folder,
    saved_model_folder,
    saved_model_name,
    taken_names,
)
from ..weights.staging import Progress, Watch, file_stamp, hash_source, staged
from .clip_vocabulary import (
    END,
    find_clip_vocabulary,
    read_clip_vocabulary,
    vocabulary_advice,
    write_clip_vocabulary,
)
from .config import FluoroSAMConfig
from .errors import CheckpointError, InstallationError, TokenError
from .reference import load_reference_checkpoint
from .storage import (
    CONFIG,
    WEIGHTS,
    bundled_models,
    read_description,
    verify_model,
)

LICENCE = "CC BY-NC-SA 4.0"
LICENCE_TEXT = (
    "The published FluoroSAM weights (Killeen et al., https://github.com/arcadelab/fluorosam) are licensed\n"
    f"{LICENCE}, https://creativecommons.org/licenses/by-nc-sa/4.0/. You may use, share and adapt them for\n"
    "purposes that are not commercial, if you credit their authors and share what you make of them under the\n"
    "same licence. Installing changes their layout only, not their values. They are no medical device."
)
"""What the user is shown before an installation, and what is kept beside the weights."""
LICENCE_FILE = "LICENCE.txt"


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
    watch = Watch(progress or (lambda fraction, text: None), cancelled or (lambda: False))
    if saved := saved_model_folder(path):
        return _install_saved(saved, name or saved_model_name(saved), replace, watch)
    if path.is_dir():
        raise InstallationError(f"{path} is a folder: give the checkpoint file itself")
    watch.report("Reading the checkpoint")
    before = file_stamp(path)
    network = load_reference_checkpoint(path)
    config = network.config
    state = {key: t for key, t in network.state_dict().items() if not key.endswith("num_batches_tracked")}
    folder = _free_folder(name or config.name)
    words, notes = _vocabulary(path, folder, vocabulary, config)
    watch.total = path.stat().st_size + stored_size(state)
    source = hash_source(path, watch)
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
    with staged(folder, stored_size(state)) as stage:
        files = {WEIGHTS: write_weights(stage / WEIGHTS, state, {"format": FORMAT}, watch.advance)}
        if file_stamp(path) != before:
            raise InstallationError(f"{path} changed while it was read: install it again when it is complete")
        written = list(write_clip_vocabulary(stage, *words)) if words else []
        (stage / LICENCE_FILE).write_text(LICENCE_TEXT + "\n", encoding="utf-8")
        files.update({file.name: file_sha256(file) for file in (*written, stage / LICENCE_FILE)})
        write_description(stage / CONFIG, FORMAT, provenance, files, config.to_json())
        watch.report("Putting the model into its place")
    watch.finish()
    return InstalledModel(folder.name, folder, provenance, notes)


def _install_saved(source: Path, name: str, replace: bool, watch: Watch) -> InstalledModel:
    watch.report("Checking the model")
    verify_model(source)
    description, _, provenance = read_description(source)
    folder, files = _free_folder(name), (*description["files"], CONFIG)
    _refuse_other(folder, description["files"][WEIGHTS], replace)
    watch.total = sum((source / file).stat().st_size for file in files)
    with staged(folder, watch.total) as stage:
        watch.report("Copying the model")
        for file in files:
            shutil.copyfile(source / file, stage / file)
            watch.advance((stage / file).stat().st_size)
    watch.finish()
    return InstalledModel(folder.name, folder, provenance)


def _free_folder(name: str) -> Path:
    """Where the model goes; refuses names that are a bundled model's, or differ from another's in case."""
    folder = installed_model_folder(name)
    for taken in (*bundled_models(), *taken_names()):
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
